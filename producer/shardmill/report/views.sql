-- What users see of the index: one row a clip, and one row a frame.

create view clips as
select
    clip_id, path, label, label_id, labels, label_ids, extra,
    case when contains(shard, '/') then split_part(shard, '/', 1) end as split,
    shard, encoding, width, height,
    len(pts_ns) as frames,
    list_sum("length") as bytes,
    pts_ns[1] as first_pts_ns,
    pts_ns[-1] as last_pts_ns,
    crc32c, record_offset, record_length
from clip_index;

create view frames as
select
    clip_id, path, label,
    unnest(range(len(pts_ns))) as frame,
    unnest(source_index) as source_index,
    unnest(pts_ns) as pts_ns,
    unnest(keyframe) as keyframe,
    shard,
    unnest("offset") as "offset",
    unnest("length") as "length"
from clip_index;
