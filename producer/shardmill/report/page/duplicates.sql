-- Clips whose frames are equal, byte for byte, by their checksum; the largest groups first.

with suspect as (
    select clip_id, crc32c
    from clip_index
    where crc32c in (select crc32c from clip_index group by crc32c having count(*) > 1)
),
same as (
    select
        count(*) as copies,
        arg_min(
            if(segments > 1, format('{} part {} of {}', path, segment + 1, segments), path),
            {'path': path, 'segment': segment},
            $examples
        ) as paths
    from suspect join files using (clip_id)
    group by crc32c, frames_kept, bytes_out
    having count(*) > 1
)
select
    copies, paths,
    count(*) over () as "groups",
    (sum(copies - 1) over ())::bigint as surplus
from same
order by copies desc, paths
limit $examples;
