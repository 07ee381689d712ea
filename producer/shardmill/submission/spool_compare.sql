-- Hold every row against its input: what is stale, and which inputs are done.
insert into stale_path
select distinct row.path
from row left join input using (path)
where input.path is null
    or row.size != input.size or row.mtime != input.mtime or row.again;

insert or ignore into stale_path
select path from row group by path having count(*) != max(segments) or min(segments) != max(segments);

update input set done = 1
where path in (select path from row) and path not in (select path from stale_path);
