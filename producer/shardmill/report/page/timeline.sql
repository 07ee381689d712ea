-- What each worker committed in each step of time; those beyond the busiest are put together.

with busiest as (
    select worker from manifest_rows group by worker order by sum(seconds) desc, worker limit $most
)
select
    cast(floor((commits.at_s - $start_s) / $step_s) as bigint) as step,
    if(manifest_rows.worker in (from busiest), coalesce(manifest_rows.worker, '?'), 'others') as worker,
    count(*) filter (segment = 0) as files,
    coalesce(sum(frames_kept), 0)::bigint as frames
from manifest_rows join commits using (part)
where commits.at_s >= $start_s
group by all
order by all;
