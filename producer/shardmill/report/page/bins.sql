-- How many values of each measure are in each bin of its scale, bins without any left out.

select
    name,
    cast(floor((if(scale.log, log10(value), value) - scale.start) / scale.step) as bigint) as bin,
    count(*) as "count"
from measures
join (select unnest($scales, recursive := true)) as scale using (name)
where isfinite(value) and value > 0
group by all
order by all;
