-- A few clips of each class, scattered over its clips but the same each time.

with class as (
    select
        label,
        count(*) as clips,
        arg_min(
            {'path': path, 'shard': coalesce(shard, shards[1]), 'clip_id': clip_id},
            {'place': hash(clip_id), 'id': clip_id},
            $each
        ) as chosen
    from file_clips
    where clip_id is not null
    group by label
)
select label, clips, chosen, count(*) over () as classes
from class
order by label nulls last
limit $most;
