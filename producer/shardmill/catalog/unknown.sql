-- What could not be looked at is unknown, not gone: its rows, and those below it, count as unchanged.
-- What is `kept` becomes inputs again.
create table kept as
select distinct earlier.* exclude (
        part, again, has_clip, split, segment, segments, place, places, labels, extra,
        clip_start_ns, clip_end_ns, said_split, own
    ), input.path as place
from input join earlier on earlier.path = input.path
where unknown
union
select distinct earlier.* exclude (
        part, again, has_clip, split, segment, segments, place, places, labels, extra,
        clip_start_ns, clip_end_ns, said_split, own
    ), input.path
from input join earlier
    on earlier.path > input.path || '\x2F'::blob and earlier.path < input.path || '\x30'::blob
where unknown;

delete from input where path in (select place from kept);
