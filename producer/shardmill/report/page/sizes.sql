-- Display sizes of sound files, put together in cells of an eighth of an octave a side; of each
-- cell how many files and sizes it has, its most frequent size, and where its middle is.

with size as (
    select display_width as w, display_height as h, count(*) as files
    from files
    where status = 'ok' and display_width > 0 and display_height > 0
    group by all
)
select
    sum(w * files) / sum(files) as width,
    sum(h * files) / sum(files) as height,
    sum(files)::bigint as files,
    count(*) as sizes,
    arg_max({'width': w, 'height': h, 'files': files}, {'files': files, 'w': w, 'h': h}) as most
from size
group by round(log2(w) * 8), round(log2(h) * 8)
order by files desc, width, height
limit $most;
