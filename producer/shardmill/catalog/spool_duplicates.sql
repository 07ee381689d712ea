-- Inputs with the same bytes as another one, and the one that is kept in their stead: the first by
-- path, but before it one with good rows.
select path, size, mtime, member, sequence, kept
from (
    select
        input.path, size, mtime, member, sequence, first_value(input.path) over alike as kept
    from input join digest using (path)
    window alike as (partition by size, content order by done desc, input.path)
)
where path != kept
order by path;
