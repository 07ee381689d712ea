-- Files worth a look although nothing failed: how many of each kind, with the first few by path.

with odd as (
    select
        path,
        unnest(list_filter([
            if(vfr, {'kind': 'vfr', 'detail': format('{:g} fps on average', round(fps, 3))}, null),
            if(rotation_deg <> 0 or mirrored, {
                'kind': 'turned',
                'detail': concat_ws(', ', rotation_deg || '°', if(mirrored, 'mirrored', null))
            }, null),
            if(hdr, {'kind': 'hdr', 'detail': pix_fmt}, null),
            if(kind = 'video' and sample_aspect not in ('1:1', '0:1'), {
                'kind': 'anamorphic', 'detail': 'pixels ' || sample_aspect
            }, null),
            if(size_changes > 0, {
                'kind': 'resized', 'detail': format('{:,} changes of size', size_changes)
            }, null),
            if(pages > 1, {'kind': 'pages', 'detail': format('{:,} pictures', pages)}, null),
            if(video_streams > 1, {
                'kind': 'streams', 'detail': format('{} video streams', video_streams)
            }, null),
            if(frames_header <> frames_found, {
                'kind': 'header',
                'detail': format('says {:,} frames, has {:,}', frames_header, frames_found)
            }, null),
            if(error_class is not null, {'kind': 'partial', 'detail': error_message}, null),
            if(path_raw is not null, {'kind': 'name', 'detail': ''}, null)
        ], lambda one: one.kind is not null), recursive := true)
    from (
        -- A decoder gives more frames than were kept only where it was asked for fewer.
        select
            *,
            coalesce(frames_counted, if($every_frame and segments = 1, frames_decoded, null))
                as frames_found
        from files
        where status = 'ok'
    )
)
select
    kind,
    count(*) as "count",
    arg_min({'path': path, 'detail': coalesce(detail, '')}, path, $examples) as examples
from odd
group by kind
order by "count" desc, kind;
