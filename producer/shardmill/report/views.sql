-- What users see of the index: one row a clip, and one row a frame.  The parts of a clip that was cut
-- are put together in the order of time, those that `cut_clips` of grouped_files.sql lets belong to it.

create view stored_parts as
select
    clip_index.*,
    coalesce(frames_before, 0) as frames_before,
    belonging, frames, bytes, only_shard, shards
from clip_index left join belonging_parts using (clip_id, clip_part)
where clip_parts = 1 or belonging is not null;

-- When the last frame of a clip that was cut is shown.
create view cut_ends as
select clip_index.clip_id, pts_ns[-1] as last_pts_ns
from clip_index join belonging_parts using (clip_id, clip_part)
where clip_parts > 1 and clip_part = belonging - 1;

create view clips as
select
    stored_parts.clip_id, path, label, label_id, labels, label_ids, extra,
    case when contains(stored_parts.shard, '/') then split_part(stored_parts.shard, '/', 1) end as split,
    if(belonging is null, stored_parts.shard, only_shard) as shard,
    encoding, width, height,
    coalesce(frames, len(pts_ns)) as frames,
    coalesce(bytes, list_sum("length")) as bytes,
    pts_ns[1] as first_pts_ns,
    coalesce(cut_ends.last_pts_ns, pts_ns[-1]) as last_pts_ns,
    if(coalesce(belonging, 1) = 1, crc32c, null) as crc32c,
    if(coalesce(belonging, 1) = 1, record_offset, null) as record_offset,
    if(coalesce(belonging, 1) = 1, record_length, null) as record_length,
    coalesce(belonging, 1) as parts,
    shards
from stored_parts left join cut_ends using (clip_id)
where clip_part = 0;

create view frames as
select
    clip_id, path, label,
    frames_before + unnest(range(len(pts_ns))) as frame,
    unnest(source_index) as source_index,
    unnest(pts_ns) as pts_ns,
    unnest(keyframe) as keyframe,
    shard,
    unnest("offset") as "offset",
    unnest("length") as "length"
from stored_parts;
