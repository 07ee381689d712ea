-- What has no good row: inputs, or single annotations of them, with the columns of a table of work.
-- `rank` is the order in which a split's rows come, before that of their paths.
select
    input.path, size as size_bytes, mtime as mtime_ns,
    coalesce(annotation.labels, case when input.label is null then [] else [input.label] end) as labels,
    extra, coalesce(assigned.split, annotation.split) as split,
    coalesce(annotation.segment, 0)::bigint as segment,
    coalesce(annotation.segments, 1)::bigint as segments,
    clip_start_ns, clip_end_ns,
    archive, archive_offset, packed_bytes, obstacle, pictures, pictures_hz, pictures_digest,
    is_picture and pictures is null as is_picture
from input
    left join annotation using (path)
    left join member using (path)
    left join assigned using (grp)
where not (
    input.done
    or (annotation.path is not null
        and (annotation.path, annotation.segment) in (select path, segment from annotation_done))
)
