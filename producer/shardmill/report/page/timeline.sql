-- What each worker committed in each step of time; those beyond the busiest are put together.

with busiest as (
    select worker from files group by worker order by sum(seconds) desc, worker limit $most
)
select
    cast(floor((commits.at_s - $start_s) / $step_s) as bigint) as step,
    if(files.worker in (from busiest), coalesce(files.worker, '?'), 'others') as worker,
    count(*) as items,
    coalesce(sum(frames_kept), 0)::bigint as frames
from files join commits using (part)
where commits.at_s >= $start_s
group by all
order by all;
