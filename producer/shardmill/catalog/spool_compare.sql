-- Hold every row against its input: what is stale, and which inputs are done.
update said set own = segment where path in (select path from said where segment = 1);
update row set own = segment where path in (select path from said where segment = 1);

insert into stale_row
select distinct row.path, row.own
from row left join input using (path)
where input.path is null
    or row.size != input.size or row.mtime != input.mtime or row.sequence is not input.sequence
    or row.again;

insert or ignore into stale_row
select path, own
from row
where own = -1
group by path
having count(*) != max(segments) or min(segments) != max(segments);

insert or ignore into stale_row
select row.path, row.own
from row left join said on said.path = row.path and said.segment = row.place
where row.said is not said.content;

update input set done = 1
where path in (select path from row where own = -1)
    and path not in (select path from stale_row where own = -1);

update said set done = 1
where (path, own) in (select path, own from row)
    and (path, own) not in (select path, own from stale_row);

update input set done = 1
where path in (select path from said where own != -1)
    and path not in (select path from said where not done);
