-- The ten most frequent display sizes, and their share of all sound files.
select
    format('{}x{}', display_width, display_height) as size,
    count(*) as files,
    count(*) / sum(count(*)) over () as share
from files
where status = 'ok' and display_width is not null
group by all
order by files desc, size
limit 10;
