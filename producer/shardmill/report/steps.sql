-- Where the time went: seconds of one core that each step took, over every committed row.

select
    coalesce(sum(ledger_s), 0) as ledger,
    coalesce(sum(probe_s), 0) as probe,
    coalesce(sum(open_s), 0) as open,
    coalesce(sum(demux_s), 0) as demux,
    coalesce(sum(decode_s), 0) as decode,
    coalesce(sum(scale_s), 0) as scale,
    coalesce(sum(colour_s), 0) as colour,
    coalesce(sum(encode_s), 0) as encode,
    coalesce(sum(write_s), 0) as write
from files;
