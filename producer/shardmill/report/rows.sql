-- The rows of all manifest parts, without what no header may claim (Facts in contract/row.py): a part
-- may have been written by another version, or another hand.

create view manifest_rows as
select * replace (
    case when fps between 0 and 1e6 then fps end as fps,
    case when duration_s between 0 and 1e9 then duration_s end as duration_s,
    case when bit_rate between 0 and 1e15 then bit_rate end as bit_rate,
    case when frames_header between 0 and 1e15 then frames_header end as frames_header
)
from manifest_parts;
