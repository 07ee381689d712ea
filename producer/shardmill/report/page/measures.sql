-- The measures of files and clips that are drawn as histograms, one row a value.

create temp view measures as
unpivot (
    select display_width / display_height as aspect, duration_s as duration
    from files
    where status = 'ok'
)
on aspect, duration into name name value value
union all
unpivot (
    select frames_kept::double as clip_frames, bytes_out / frames_kept as frame_bytes
    from file_clips
    where status = 'ok'
)
on clip_frames, frame_bytes into name name value value;
