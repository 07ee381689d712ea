-- The sums of contract/tally.py over every committed row.  A cast to bigint rounds a tie to the
-- even number, as Python's round does.

select
    count(*) filter (status = 'ok') as ok,
    count(*) filter (status = 'failed') as failed,
    count(*) filter (status = 'skipped') as skipped,
    count(*) filter (status = 'ok' and error_class is not null) as partial,
    count(clip_id) as clips,
    coalesce(sum(frames_kept), 0) as frames,
    coalesce(sum(size_bytes) filter (segment = 0), 0) as bytes_in,
    coalesce(sum(bytes_out), 0) as bytes_out,
    coalesce(sum(cast(duration_s * 1e9 / segments as bigint)) filter (status = 'ok'), 0) as video_ns,
    coalesce(histogram(coalesce(error_class, 'internal')) filter (status = 'failed'), map {})
        as failures
from files;
