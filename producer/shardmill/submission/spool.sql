-- Inputs and manifest rows side by side.  A row is `good` if its file is still there, unchanged,
-- and did not fail; the others are `stale`; inputs without a good row are `todo`.
create table input (path blob primary key, size integer, mtime integer, rank integer)
    without rowid;
create table row (part text, path blob, size integer, mtime integer, status text);
create index row_path on row (path);

create view good as
select part, path, status
from row join input using (path)
where row.size = input.size and row.mtime = input.mtime and row.status != 'failed';

create view stale as
select part, row.path, status
from row left join input using (path)
where input.path is null
    or row.size != input.size or row.mtime != input.mtime or row.status = 'failed';

create view todo as
select path, size, mtime, rank from input where path not in (select path from good);
