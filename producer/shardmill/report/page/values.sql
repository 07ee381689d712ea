-- The most frequent values of what comes in few kinds, and all others as one row without a value.

with named as (
    unpivot (
        select
            codec,
            pix_fmt,
            if(fps is null, null, format('{:g}', round(fps, 2))) as fps
        from files
        where status = 'ok'
    )
    on codec, pix_fmt, fps into name name value value
),
ranked as (
    select
        name, value, count(*) as files,
        row_number() over (partition by name order by count(*) desc, value) as place
    from named
    group by name, value
),
shown as (
    select name, if(place <= $most, value, null) as text, files from ranked
)
select name, text, count(*) as kinds, sum(files)::bigint as files
from shown
group by name, text
order by name, text is null, sum(files) desc, text;
