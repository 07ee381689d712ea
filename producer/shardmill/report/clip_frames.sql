-- How many shards there are, and how many frames a clip has.

select
    (select count(distinct shard) from parts) as shards,
    {
        'min': min(frames_kept),
        'mean': avg(frames_kept),
        'median': quantile_cont(frames_kept, 0.5),
        'p95': quantile_disc(frames_kept, 0.95),
        'max': max(frames_kept)
    } as clip_frames
from file_clips
where clip_id is not null;
