-- The totals of a job, over the files that have all their rows.

select
    count(*) filter (status = 'ok') as ok,
    count(*) filter (status = 'failed') as failed,
    count(*) filter (status = 'skipped') as skipped,
    count(*) filter (status = 'ok' and error_class is not null) as partial,
    coalesce(sum(clips), 0) as clips,
    coalesce(sum(frames_kept), 0) as frames,
    coalesce(sum(size_bytes), 0) as bytes_in,
    coalesce(sum(bytes_out), 0) as bytes_out,
    coalesce(sum(cast(duration_s * 1e9 as bigint)) filter (status = 'ok'), 0) as video_ns,
    coalesce(histogram(coalesce(error_class, 'internal')) filter (status = 'failed'), map {})
        as failures
from files;
