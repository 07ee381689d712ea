-- The shards that committed rows name, the part that commits each, and how many clips it has.

select shard, max(part) as part, count(clip_id) as clips
from manifest_rows
where shard is not null
group by shard
order by shard;
