-- Smallest, mean, median, 95th percentile and largest of each measure.

select
    name,
    count(*) as "count",
    min(value) as "min",
    avg(value) as mean,
    quantile_cont(value, 0.5) as median,
    quantile_cont(value, 0.95) as p95,
    max(value) as "max"
from measures
where isfinite(value) and value > 0
group by name;
