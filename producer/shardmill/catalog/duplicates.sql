-- Inputs with the same bytes as another one, and the one that is kept in their stead: the first by
-- path, but before it one with good rows.
select path, kept, label, kept_label
from (
    select
        input.path, coalesce(annotation.labels[1], label) as label,
        first_value(input.path) over alike as kept,
        first_value(coalesce(annotation.labels[1], label)) over alike as kept_label
    from input
        join digest using (path)
        left join annotation on annotation.path = input.path and annotation.segment = 0
    window alike as (partition by size, content order by done desc, input.path)
)
where path != kept
order by path;
