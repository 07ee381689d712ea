-- How many rows there are, and the sum of the hashes of what tells one from another: equal for two
-- tables of the same rows, whatever their order.

select
    count(*) as rows,
    sum(
        hash(
            path, segment, size_bytes, mtime_ns, labels, label_ids, split,
            status, error_class, clip_id, shard, frames_kept, bytes_out
        )::hugeint
    ) as hashes
from files;
