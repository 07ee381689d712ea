-- Clips whose frames are equal, byte for byte, by their checksums; the largest groups first.

with mark as (
    select clip_id, crc32c::ubigint as mark from stored_parts where clip_parts = 1
    union all
    select clip_id, hash(list(crc32c order by clip_part))
    from stored_parts
    where clip_parts > 1
    group by clip_id
),
suspect as (
    select clip_id, mark
    from mark
    where mark in (select mark from mark group by mark having count(*) > 1)
),
-- Of a clip that was cut, the row of its first part stands for all.
first_row as (
    select
        clip_id, path, segment, segments, frames_kept, bytes_out,
        start_ns is not null or end_ns is not null as is_part
    from manifest_rows
    where segment = 0 or (start_ns is null and end_ns is null)
),
same as (
    select
        count(*) as copies,
        arg_min(
            if(segments = 1 or is_part, path, format('{} clip {} of {}', path, segment + 1, segments)),
            {'path': path, 'segment': segment},
            $examples
        ) as paths
    from suspect join first_row using (clip_id)
    group by mark, frames_kept, bytes_out
    having count(*) > 1
)
select
    copies, paths,
    count(*) over () as "groups",
    (sum(copies - 1) over ())::bigint as surplus
from same
order by copies desc, paths
limit $examples;
