-- Inputs and manifest rows side by side.  A row is stale if it is to be tried again, or if its file
-- has changed or is gone.  The rows of a file stand and fall together (there are several where it is
-- several items), and one that is missing makes the others stale; but where the file has several
-- annotations, each row is on its own.  So `own` is the segment of such a row, and else -1.  Inputs
-- are done if they have rows and none is stale.  A member is where in an archive a file lies; a
-- sequence is what tells an image sequence from another state of it, null for a file.  What is unknown could not be
-- looked at.
create table input (
    path blob primary key, size integer, mtime integer, member text, sequence text, rank integer,
    unknown integer default 0, done integer default 0
) without rowid;
create table part (id integer primary key, file text);
create table row (
    part integer, path blob, size integer, mtime integer, again integer, has_clip integer,
    split text, segment integer, segments integer, place integer, said text, member text,
    sequence text, own integer default -1
);
create index row_part on row (part);
create table gone (part integer);
create table stale_row (path blob, own integer, primary key (path, own)) without rowid;

create view stale as
select row.part, part.file, row.path, row.segment, row.has_clip
from row join part on part.id = row.part
where (row.path, row.own) in (select path, own from stale_row);

-- What annotations say of an input, the first of them as segment 0.  In a row, `place` is the segment
-- of the annotation that it is about, and `said` what that said.
create table said (
    path blob, segment integer, split text, content text, done integer default 0,
    own integer default -1, primary key (path, segment)
) without rowid;

-- Hashes of the contents of inputs that may be duplicates.
create table digest (path blob primary key, content blob) without rowid;

-- What the producer leaves out: no inputs any more.
create table left_out (
    path blob, segment integer, item text, reason text, primary key (path, segment)
) without rowid;

-- With splits: which sources belong together, and where each group goes.
create table member (path blob primary key, grp blob, place integer, label text) without rowid;
create table dealt (grp blob primary key, split text) without rowid;
