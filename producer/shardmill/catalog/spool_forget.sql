-- Leave out the rows of parts that are gone; what they were about is to be done.
insert or ignore into stale_row
select path, own from row where part in (select part from gone);

update input set done = 0
where path in (select path from row where part in (select part from gone));

update said set done = 0
where (path, own) in (select path, own from row where part in (select part from gone));

delete from row where part in (select part from gone);
delete from gone;
