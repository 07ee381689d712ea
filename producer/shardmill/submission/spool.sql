-- Inputs and manifest rows side by side.  A path is stale if one of its rows is to be tried
-- again, or if its file has changed or is gone; its rows then stand and fall together (there are
-- several where a file was cut into ranges).  Inputs are done if they have rows and none is stale.
create table input (
    path blob primary key, size integer, mtime integer, rank integer, done integer default 0
) without rowid;
create table part (id integer primary key, file text);
create table row (
    part integer, path blob, size integer, mtime integer, again integer, has_clip integer
);
create index row_part on row (part);
create table stale_path (path blob primary key) without rowid;

create view stale as
select row.part, part.file, row.path, row.has_clip
from row join part on part.id = row.part
where row.path in (select path from stale_path);
