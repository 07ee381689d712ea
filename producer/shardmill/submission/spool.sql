-- Inputs and manifest rows side by side.  A path is stale if one of its rows is to be tried
-- again or is missing, or if its file has changed or is gone; its rows then stand and fall together
-- (there are several where a file is several items).  Inputs are done if they have rows and none
-- is stale.
create table input (
    path blob primary key, size integer, mtime integer, rank integer, done integer default 0
) without rowid;
create table part (id integer primary key, file text);
create table row (
    part integer, path blob, size integer, mtime integer, again integer, has_clip integer, split text,
    segments integer
);
create index row_part on row (part);
create table stale_path (path blob primary key) without rowid;

create view stale as
select row.part, part.file, row.path, row.has_clip
from row join part on part.id = row.part
where row.path in (select path from stale_path);

-- Hashes of the contents of inputs that may be duplicates.
create table digest (path blob primary key, content blob) without rowid;

-- What the producer leaves out: no inputs any more.
create table left_out (
    path blob, segment integer, item text, reason text, primary key (path, segment)
) without rowid;

-- With splits: which sources belong together, and where each group goes.
create table member (path blob primary key, grp blob, place integer, label text) without rowid;
create table dealt (grp blob primary key, split text) without rowid;
