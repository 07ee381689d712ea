-- Smallest, mean, median, 95th percentile and largest of what varies from file to file.
with numbers as (
    unpivot (
        select
            display_width::double as width,
            display_height::double as height,
            fps,
            duration_s as duration
        from files
        where status = 'ok'
    )
    on width, height, fps, duration into name name value value
)
select
    name,
    min(value) as "min",
    avg(value) as mean,
    quantile_cont(value, 0.5) as median,
    quantile_cont(value, 0.95) as p95,
    max(value) as "max"
from numbers
where isfinite(value)
group by name
order by list_position(['width', 'height', 'fps', 'duration'], name);
