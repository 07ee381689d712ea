-- The classes by how many inputs of them are sound, the most frequent first.

select
    label,
    count(*) filter (status = 'ok') as ok,
    count(*) filter (status = 'failed') as failed,
    coalesce(sum(frames_kept), 0)::bigint as frames,
    count(*) over () as classes
from files
where label is not null
group by label
order by ok desc, label
limit $most;
