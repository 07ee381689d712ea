-- From rows to clips and files, where files have several rows.  A row is then one of several clips of
-- a file, or a part of its only clip, which was cut for parallel work.  What does not have all its
-- rows yet does not show.

-- A table and no view: the rows come from Python, and are asked for several times.
create temp table grouped_rows as
select
    * exclude (part),
    coalesce(path_raw, encode(path)) as source,
    start_ns is not null or end_ns is not null as is_part
from manifest_rows
where segments > 1;

-- One row a clip that was cut.  Its parts follow each other in time up to `last`, the first that is
-- not whole: a failed one makes the clip fail; one that is kept up to its damage ends it.
create view cut_clips as
with
last_part as (
    select
        source,
        coalesce(
            min(segment) filter (status <> 'ok' or error_class is not null), max(segment)
        ) as last
    from grouped_rows
    where is_part
    group by source
    having count(distinct segment) = max(segments)
),
whole as (
    select
        source,
        any_value({
            'status': status, 'error_class': error_class, 'error_stage': error_stage,
            'error_message': error_message
        }) filter (segment = last) as ending,
        max(attempts) as attempts,
        sum(seconds) as seconds, sum(probe_s) as probe_s, sum(open_s) as open_s,
        sum(demux_s) as demux_s, sum(decode_s) as decode_s, sum(scale_s) as scale_s,
        sum(colour_s) as colour_s, sum(encode_s) as encode_s, sum(write_s) as write_s,
        sum(ledger_s) as ledger_s,
        sum(frames_decoded) as frames_decoded,
        sum(size_changes) as size_changes,
        sum(frames_kept) filter (segment <= last) as frames_kept,
        sum(bytes_out) filter (segment <= last) as bytes_out,
        count(shard) filter (segment <= last) as parts,
        list_sort(list(distinct shard) filter (segment <= last and shard is not null)) as shards
    from grouped_rows join last_part using (source)
    where is_part
    group by source
)
select
    grouped_rows.* exclude (source, is_part, segment, start_ns, end_ns) replace (
        ending.status as status,
        ending.error_class as error_class,
        ending.error_stage as error_stage,
        ending.error_message as error_message,
        whole.attempts as attempts,
        whole.seconds as seconds, whole.probe_s as probe_s, whole.open_s as open_s,
        whole.demux_s as demux_s, whole.decode_s as decode_s, whole.scale_s as scale_s,
        whole.colour_s as colour_s, whole.encode_s as encode_s, whole.write_s as write_s,
        whole.ledger_s as ledger_s,
        try_cast(whole.frames_decoded as bigint) as frames_decoded,
        try_cast(whole.size_changes as bigint) as size_changes,
        if(ending.status = 'ok', try_cast(whole.frames_kept as bigint), null) as frames_kept,
        if(ending.status = 'ok', try_cast(whole.bytes_out as bigint), null) as bytes_out,
        if(ending.status = 'ok', clip_id, null) as clip_id,
        if(ending.status = 'ok' and len(whole.shards) = 1, shard, null) as shard
    ),
    null::bigint as error_clip,
    if(ending.status = 'ok' and clip_id is not null, 1, 0)::bigint as clips,
    null::varchar[] as clip_ids,
    if(ending.status = 'ok', nullif(whole.parts, 0), null) as parts,
    if(ending.status = 'ok' and len(whole.shards) > 1, whole.shards, null) as shards
from grouped_rows join whole using (source)
where is_part and grouped_rows.segment = 0;

-- One row a file of several clips.  A class that only some of them have is one of the file's.
create view files_of_clips as
with
every as (
    select
        source,
        arg_min(
            {
                'status': status, 'error_class': error_class, 'error_stage': error_stage,
                'error_message': error_message, 'segment': segment
            },
            {
                'rank': case when status = 'failed' then 0 when status = 'ok' then 1 else 2 end,
                'is_whole': error_class is null, 'segment': segment
            }
        ) as ending,
        list_sort(list_distinct(flatten(list(list_zip(label_ids, labels))))) as classes,
        if(count(distinct extra) = 1, any_value(extra), null) as extra,
        if(count(distinct split) = 1, any_value(split), null) as split,
        max(attempts) as attempts,
        sum(seconds) as seconds, sum(probe_s) as probe_s, sum(open_s) as open_s,
        sum(demux_s) as demux_s, sum(decode_s) as decode_s, sum(scale_s) as scale_s,
        sum(colour_s) as colour_s, sum(encode_s) as encode_s, sum(write_s) as write_s,
        sum(ledger_s) as ledger_s,
        sum(frames_decoded) as frames_decoded,
        sum(size_changes) as size_changes,
        sum(frames_kept) as frames_kept,
        sum(bytes_out) as bytes_out,
        count(clip_id) as clips,
        list(clip_id order by segment) filter (clip_id is not null) as clip_ids,
        list_sort(list(distinct shard) filter (shard is not null)) as shards
    from grouped_rows
    where not is_part
    group by source
    having count(distinct segment) = max(segments)
)
select
    grouped_rows.* exclude (source, is_part, segment, start_ns, end_ns) replace (
        every.classes[1][2] as label,
        every.classes[1][1] as label_id,
        list_transform(every.classes, lambda class: class[2]) as labels,
        list_transform(every.classes, lambda class: class[1]) as label_ids,
        every.extra as extra,
        every.split as split,
        null::bigint as clip_start_ns,
        null::bigint as clip_end_ns,
        ending.status as status,
        ending.error_class as error_class,
        ending.error_stage as error_stage,
        ending.error_message as error_message,
        every.attempts as attempts,
        every.seconds as seconds, every.probe_s as probe_s, every.open_s as open_s,
        every.demux_s as demux_s, every.decode_s as decode_s, every.scale_s as scale_s,
        every.colour_s as colour_s, every.encode_s as encode_s, every.write_s as write_s,
        every.ledger_s as ledger_s,
        try_cast(every.frames_decoded as bigint) as frames_decoded,
        try_cast(every.size_changes as bigint) as size_changes,
        try_cast(every.frames_kept as bigint) as frames_kept,
        try_cast(every.bytes_out as bigint) as bytes_out,
        if(every.clips = 1, every.clip_ids[1], null) as clip_id,
        if(len(every.shards) = 1, every.shards[1], null) as shard
    ),
    if(ending.error_class is null, null, ending.segment) as error_clip,
    every.clips as clips,
    if(every.clips > 1, every.clip_ids, null) as clip_ids,
    if(every.clips = 1, 1, null)::bigint as parts,
    if(len(every.shards) > 1, every.shards, null) as shards
from grouped_rows join every using (source)
where not is_part and grouped_rows.segment = 0;

-- One row a clip, or what should have been one, in the columns of `files`.
create view file_clips as
select
    * exclude (source, is_part, segment, start_ns, end_ns),
    if(error_class is null, null, segment) as error_clip,
    if(clip_id is null, 0, 1)::bigint as clips,
    null::varchar[] as clip_ids,
    if(clip_id is null, null, 1)::bigint as parts,
    null::varchar[] as shards
from grouped_rows
where not is_part
union all by name
from cut_clips
union all by name
from plain_files;

create view files as
from plain_files
union all by name
from cut_clips
union all by name
from files_of_clips;

-- The parts that belong to clips, with the frames before them.
create view belonging_parts as
select
    grouped_rows.clip_id,
    grouped_rows.segment as clip_part,
    cut_clips.parts as belonging,
    cut_clips.frames_kept as frames,
    cut_clips.bytes_out as bytes,
    cut_clips.shard as only_shard,
    cut_clips.shards,
    coalesce(
        sum(grouped_rows.frames_kept) over (
            partition by grouped_rows.clip_id order by grouped_rows.segment
            rows between unbounded preceding and 1 preceding
        ),
        0
    )::bigint as frames_before
from grouped_rows join cut_clips using (clip_id)
where is_part and grouped_rows.segment < cut_clips.parts;
