-- What each split holds.

select
    split,
    count(*) filter (status = 'ok') as ok,
    count(*) filter (status = 'failed') as failed,
    sum(clips)::bigint as clips,
    coalesce(sum(frames_kept), 0)::bigint as frames
from files
where split is not null
group by split
order by ok desc, split;
