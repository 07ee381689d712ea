-- Inputs and the rows of an earlier run, side by side.  Paths are bytes below the input directory.
-- A row is stale if it is to be tried again, or if its file has changed or is gone.  The rows of a
-- file stand and fall together (there are several where it is several items), and one that is missing
-- makes the others stale; but where the file has several annotations, each row is on its own.  So
-- `own` is the segment of such a row, and else -1.  Inputs are done if they have rows and none is
-- stale.
create table input (
    path blob, size bigint, mtime bigint, label varchar, is_picture boolean,
    archive blob, archive_offset bigint, packed_bytes bigint, obstacle varchar,
    pictures bigint, pictures_hz double, pictures_digest varchar,
    unknown boolean, done boolean default false
);
create table part (id integer, file varchar);
create table earlier (
    part integer, path blob, size bigint, mtime bigint, again boolean, has_clip boolean,
    split varchar, segment bigint, segments bigint,
    archive blob, archive_offset bigint, packed_bytes bigint, obstacle varchar,
    pictures bigint, pictures_hz double, pictures_digest varchar,
    place bigint, places bigint, labels varchar[], extra varchar,
    clip_start_ns bigint, clip_end_ns bigint, said_split varchar,
    own bigint default -1
);
create table stale (path blob, own bigint);

-- What annotations say of inputs, the first of each as segment 0 of so many segments.
create table annotation (
    path blob, segment integer, segments integer, labels varchar[], extra varchar,
    clip_start_ns bigint, clip_end_ns bigint, split varchar
);
-- What is left out: by annotations, and as a whole, with the reason.
create table skipped (
    path blob, segment integer, labels varchar[], extra varchar, split varchar, reason varchar
);
create table skipped_input (
    path blob, size bigint, mtime bigint, labels varchar[], extra varchar, split varchar,
    segment integer, archive blob, archive_offset bigint, packed_bytes bigint, obstacle varchar,
    pictures bigint, pictures_hz double, pictures_digest varchar, reason varchar
);
create table class (label varchar);

-- Hashes of the contents of inputs that may be duplicates.
create table digest (path blob, content blob);

-- With splits: which inputs belong together, and where each group goes.
create table member (path blob, grp blob, place ubigint, label varchar);
create table assigned (grp blob, split varchar);
