-- Hold every earlier row against its input: what is stale, and which inputs are done.
update earlier set own = segment
where path in (select path from annotation where segments > 1);

insert into stale
select distinct earlier.path, earlier.own
from earlier left join input using (path)
where input.path is null
    or earlier.size != input.size or earlier.mtime != input.mtime
    or earlier.pictures is distinct from input.pictures
    or earlier.pictures_hz is distinct from input.pictures_hz
    or earlier.pictures_digest is distinct from input.pictures_digest
    or earlier.again
union
select path, own
from earlier
where own = -1
group by path, own
having count(*) != max(segments) or min(segments) != max(segments)
union
select earlier.path, earlier.own
from earlier left join annotation
    on annotation.path = earlier.path and annotation.segment = earlier.place
where not (earlier.extra is null and annotation.path is null)
    and (earlier.places, earlier.labels, earlier.extra, earlier.clip_start_ns,
        earlier.clip_end_ns, earlier.said_split)
    is distinct from
        (annotation.segments, annotation.labels, annotation.extra, annotation.clip_start_ns,
        annotation.clip_end_ns, annotation.split);

create table annotation_done as
select annotation.path, annotation.segment
from annotation
where (path, case when segments > 1 then segment else -1 end) in (select path, own from earlier)
    and (path, case when segments > 1 then segment else -1 end) not in (select path, own from stale);

update input set done = true
where path in (select path from earlier where own = -1)
    and path not in (select path from stale where own = -1);

update input set done = true
where path in (select path from annotation where segments > 1)
    and path not in (
        select path from annotation anti join annotation_done using (path, segment)
    );
