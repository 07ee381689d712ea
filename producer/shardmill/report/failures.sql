-- Files of one status that name an error, by its class, the most frequent first, with the first
-- few of each by path.

select
    coalesce(error_class, 'internal') as error_class,
    count(*) as "count",
    arg_min(
        {
            'path': path, 'stage': error_stage, 'message': error_message,
            'clip': coalesce(format('clip {} of {}', error_clip + 1, segments), '')
        },
        path,
        $examples
    ) as examples
from files
where status = $status and (status = 'failed' or error_class is not null)
    and ($only is null or coalesce(error_class, 'internal') = $only)
group by all
order by "count" desc, error_class;
