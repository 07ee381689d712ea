-- The files that kept a decoder longest.

select path, seconds, size_bytes, frames_kept, duration_s, status, worker
from files
order by seconds desc, path
limit $most;
