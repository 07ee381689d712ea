-- What could not be looked at is unknown, not gone: its rows, and those below it, count as unchanged.
create index row_path on row (path);
create table kept as
select row.path, row.size, row.mtime, row.member, row.sequence, input.path as place
from input join row on row.path = input.path
where unknown
union
select row.path, row.size, row.mtime, row.member, row.sequence, input.path
from input join row
    on row.path > cast(input.path || x'2f' as blob) and row.path < cast(input.path || x'30' as blob)
where unknown;

delete from input where path in (select place from kept);
insert or ignore into input (path, size, mtime, member, sequence, rank)
select path, size, mtime, member, sequence, 0 from kept;
