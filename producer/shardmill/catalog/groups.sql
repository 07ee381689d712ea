-- Groups of inputs in the order of their hash: the split of those that have one already, and of the
-- others the class, if they are of one class, and their number.
with known as (select path, min(split) as split from earlier where split is not null group by path)
select
    grp,
    min(known.split) as split,
    case when count(label) = count(*) and min(label) = max(label) then min(label) end as label,
    count(*) as inputs
from member left join known using (path)
group by place, grp
order by place, grp;
