-- What each worker did, the busiest first.

select
    coalesce(worker, '?') as worker,
    count(*) filter (segment = 0) as done,
    count(*) filter (segment = 0 and status = 'failed') as failed,
    coalesce(sum(frames_kept), 0)::bigint as frames,
    sum(seconds) as seconds,
    count(*) over () as workers
from manifest_rows
group by all
order by seconds desc, worker
limit $most;
