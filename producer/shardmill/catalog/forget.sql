-- Leave out the rows of a part that is gone; what they are about is to be done.
insert into stale
select distinct path, own from earlier
where part = $part and (path, own) not in (select path, own from stale);

update input set done = false where path in (select path from earlier where part = $part);

delete from annotation_done
where (path, segment) in (
    select annotation.path, annotation.segment from annotation join earlier using (path)
    where part = $part and own in (-1, annotation.segment)
);

delete from earlier where part = $part;
