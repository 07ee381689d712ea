-- What each worker did, the busiest first.

select
    coalesce(worker, '?') as worker,
    count(*) as done,
    count(*) filter (status = 'failed') as failed,
    coalesce(sum(frames_kept), 0)::bigint as frames,
    sum(seconds) as seconds,
    count(*) over () as workers
from files
group by all
order by seconds desc, worker
limit $most;
