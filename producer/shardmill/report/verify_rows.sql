-- Contradictions within the manifest, and between manifest and index: the first $most of each
-- kind.  Shards in $unreadable have no index to compare with and are told of elsewhere.  $classes
-- are those of errors, $splits those of the job; null where annotations name them.

with
item as (
    select
        *,
        shard in (select unnest($unreadable)) as blind,
        start_ns is not null or end_ns is not null as is_part,
        if(start_ns is null and end_ns is null, 0, segment) as clip_part,
        if(start_ns is null and end_ns is null, 1, segments) as clip_parts
    from manifest_rows
),
home as (
    select shard, max(part) as part from item where shard is not null group by shard
),
clip as materialized (
    select
        clip_id, clip_part, clip_parts, path, label, label_id, labels, label_ids, extra, shard,
        home.part, encoding, width, height,
        len(pts_ns) as frames,
        list_sum("length") as bytes
    from clip_index join home using (shard)
),
problem as (
    select
        'doubled row' as kind,
        path as file,
        format('has {} rows in the manifest', count(*)) as wrong,
        max(part) as part
    from item
    group by path, path_raw, segment
    having count(*) > 1
    union all
    select
        'torn file',
        path,
        format('is cut into {} parts and into {}', min(segments), max(segments)),
        max(part)
    from item
    group by path, path_raw
    having min(segments) <> max(segments)
    union all
    select 'impossible part', path, format('has part {} of {}', segment + 1, segments), part
    from item
    where segment < 0 or segment >= segments
    union all
    select
        'lacking part',
        path,
        format('has rows for {} of its {} parts', count(distinct segment), max(segments)),
        null
    from item
    group by path, path_raw
    having count(distinct segment) < max(segments)
    union all
    select 'torn clip', path, format('has a gap or an overlap behind part {}', segment + 1), part
    from (
        select *, lead(start_ns) over (partition by path, path_raw order by segment) as next_ns
        from item
        where is_part
    )
    where end_ns is distinct from next_ns
    union all
    select 'no clip', path, 'is ok in the manifest but names no clip', part
    from item
    where
        status = 'ok' and $extract
        and (
            clip_id is null
            -- Damage may lie before all that a later part of a clip would hold.
            or (shard is null and not (is_part and segment > 0 and error_class is not null))
        )
    union all
    select 'idle clip', path, format('is {} but names a clip', status), part
    from item
    where status <> 'ok' and clip_id is not null
    union all
    select 'clip of no shard', path, 'has a clip or frames, though the job makes none', part
    from item
    where not $extract and (clip_id is not null or shard is not null or bytes_out is not null)
    union all
    select 'unknown end', path, format('has the status {}', status), part
    from item
    where status not in ('ok', 'failed', 'skipped')
    union all
    select 'unknown error', path, coalesce(format('has the error class {}', error_class), 'is failed without an error class'), part
    from item
    where error_class not in (select unnest($classes)) or (status = 'failed' and error_class is null)
    union all
    select 'contradictory end', path, format('is {} but tells of an error otherwise', status), part
    from item
    where
        (error_message is null and (status <> 'ok' or error_class is not null))
        or (status = 'skipped' and error_class is not null)
    union all
    select 'unknown split', path, format('is of split {}, which the job has not', split), part
    from item
    where $splits is not null and split is not null and not list_contains($splits, split)
    union all
    select 'annotation of nothing', path, 'holds an annotation, though the job has none', part
    from item
    where extra is not null and not $annotated
    union all
    select
        'part of others',
        'manifest/' || part,
        format('holds the rows of another part: {} names shard {}', min(path), min(shard)),
        part
    from item
    where
        not blind
        and not starts_with(parse_filename(shard), regexp_replace(part, '\.parquet$', '') || '-')
    group by part
    union all
    select
        'lost clip',
        item.path,
        format('its clip {} is not in the index of {}', item.clip_id, item.shard),
        item.part
    from item anti join clip using (clip_id, clip_part, shard)
    where item.clip_id is not null and item.shard is not null and not item.blind
    union all
    select
        'doubled clip',
        min(path),
        format('its clip {} is {} times in the index', clip_id, count(*)),
        max(part)
    from clip
    group by clip_id, clip_part
    having count(*) > 1
    union all
    select
        'uneven clip',
        min(path),
        format('its clip {} has parts of several sizes or encodings', clip_id),
        max(part)
    from clip
    where clip_parts > 1
    group by clip_id
    having count(distinct {'w': width, 'h': height, 'e': encoding, 'p': clip_parts}) > 1
    union all
    select
        'stray clip',
        clip.path,
        format('clip {} is in the index of {} but no row names it', clip.clip_id, clip.shard),
        clip.part
    from clip anti join item using (clip_id, clip_part, shard)
    union all
    select 'other split', path, format('is of split {} but in shard {}', split, shard), part
    from item
    where not blind and shard <> coalesce(split || '/', '') || parse_filename(shard)
    union all
    select 'other clip', path, format('the manifest says {}, the index {}', said, found), part
    from (
        select
            item.path,
            item.part,
            {
                'path': item.path, 'parts': item.clip_parts, 'label': item.label, 'label_id': item.label_id,
                'labels': item.labels, 'label_ids': item.label_ids,
                'extra': item.extra, 'frames': item.frames_kept, 'bytes': item.bytes_out
            }::varchar as said,
            {
                'path': clip.path, 'parts': clip.clip_parts, 'label': clip.label, 'label_id': clip.label_id,
                'labels': clip.labels, 'label_ids': clip.label_ids,
                'extra': clip.extra, 'frames': clip.frames, 'bytes': clip.bytes
            }::varchar as found
        from item join clip using (clip_id, clip_part, shard)
    )
    where said <> found
)
select
    file,
    wrong || if(nth = $most and alike > $most, format(' (and {} more)', alike - $most), '') as wrong,
    part
from (
    select
        *,
        row_number() over (partition by kind order by file) as nth,
        count(*) over (partition by kind) as alike
    from problem
)
where nth <= $most
order by kind, file;
