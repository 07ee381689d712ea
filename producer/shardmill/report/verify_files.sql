-- How many rows there are, and the sum of the hashes of what tells one from another: equal for two
-- tables of the same rows, whatever their order.

select
    count(*) as rows,
    sum(
        hash(
            path, segments, size_bytes, mtime_ns, labels, label_ids, split,
            status, error_class, error_clip, clips, clip_id, clip_ids, parts, shard, shards,
            frames_kept, bytes_out
        )::hugeint
    ) as hashes
from files;
