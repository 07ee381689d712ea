-- The columns that the summary and the page need, read once from all parts; they stand in for
-- ``manifest_rows``.

create temp table kept_rows as
select
    path, path_raw, size_bytes, label, label_id, labels, label_ids, extra, split, segment, segments,
    start_ns, end_ns, clip_start_ns, clip_end_ns,
    kind, codec, pix_fmt, display_width, display_height, rotation_deg, mirrored, sample_aspect,
    hdr, video_streams, fps, vfr, frames_header, frames_counted, size_changes, pages,
    duration_s,
    status, error_class, error_stage, error_message, attempts, seconds, worker,
    frames_decoded, frames_kept, clip_id, shard, bytes_out,
    ledger_s, probe_s, open_s, demux_s, decode_s, scale_s, colour_s, encode_s, write_s,
    part
from manifest_rows;

create or replace view manifest_rows as from kept_rows;
