-- The measures of files and clips that are drawn as histograms, one row a value.

create temp view measures as
unpivot (
    select
        if(segment = 0, display_width / display_height, null) as aspect,
        if(segment = 0, duration_s, null) as duration,
        frames_kept::double as clip_frames,
        bytes_out / frames_kept as frame_bytes
    from files
    where status = 'ok'
)
on aspect, duration, clip_frames, frame_bytes into name name value value;
