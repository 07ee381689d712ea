-- What rows say of the number of a class that is not what most of the rows say, or classes.json:
-- the first $most.  $labels and $numbers are what the file says; where rows agree, the file is wrong.

with
said as (
    select label, number, part, count(*) as rows
    from (
        select unnest(labels) as label, unnest(label_ids) as number, part from manifest_rows
    )
    group by all
),
pair as (
    select label, number, sum(rows) as rows from said group by all
),
known as (
    select unnest($labels) as label, unnest($numbers) as number
),
-- Of two that contradict each other stays the one of the file, else that of more rows.
ranked as (
    select
        label, number,
        row_number() over (partition by label order by strange, rows desc, number) as of_label,
        row_number() over (partition by number order by strange, rows desc, label) as of_number
    from (
        select pair.*, known.number is null as strange
        from pair left join known using (label, number)
    )
),
problem as (
    select
        0 as place,
        'manifest/' || part as file,
        coalesce(
            format('has class {} under number {}, which other rows contradict', label, number),
            'has a class without a number'
        ) as wrong,
        part
    from said left join ranked using (label, number)
    where coalesce(of_label > 1 or of_number > 1, true)  -- a null joins nothing
    union all
    select
        1,
        'classes.json',
        case
            when same.number is null then format('does not name class {}', ranked.label)
            else format(
                'gives class {} the number {}, the rows {}',
                ranked.label, same.number, ranked.number
            )
        end,
        null
    from ranked left join known as same using (label)
    where of_label = 1 and of_number = 1 and same.number is distinct from ranked.number
)
select
    file,
    wrong || if(nth = $most and alike > $most, format(' (and {} more)', alike - $most), '') as wrong,
    part
from (
    select
        *,
        row_number() over (partition by place order by file, wrong) as nth,
        count(*) over (partition by place) as alike
    from problem
)
where nth <= $most
order by place, file, wrong;
