-- The columns that the page needs, read once from all parts; it stands in for the view ``files``.

create temp table files as
select
    path, path_raw, size_bytes, label, split, segment, segments,
    kind, codec, pix_fmt, display_width, display_height, rotation_deg, mirrored, sample_aspect,
    hdr, video_streams, fps, vfr, frames_header, frames_counted, size_changes, pages,
    duration_s,
    status, error_class, error_stage, error_message, seconds, worker,
    frames_decoded, frames_kept, clip_id, shard, bytes_out,
    ledger_s, probe_s, open_s, demux_s, decode_s, scale_s, colour_s, encode_s, write_s,
    part
from manifest_rows;
