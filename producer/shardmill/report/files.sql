-- Rows, and the files of one row, which most are.

create view parts as select * exclude (part) from manifest_rows;

create view plain_files as
select
    * exclude (part, segment, start_ns, end_ns),
    null::bigint as error_clip,
    if(clip_id is null, 0, 1)::bigint as clips,
    null::varchar[] as clip_ids,
    if(clip_id is null, null, 1)::bigint as parts,
    null::varchar[] as shards
from manifest_rows
where segments = 1;
