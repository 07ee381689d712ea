-- The tables of grouped_files.sql, where every file has one row: to plan them takes longer than all else.

create view cut_clips as from plain_files where false;

create view file_clips as from plain_files;

create view files as from plain_files;

create view belonging_parts as
select
    clip_id, 0::bigint as clip_part, parts as belonging, frames_kept as frames, bytes_out as bytes,
    shard as only_shard, shards, 0::bigint as frames_before
from cut_clips;
