-- How many items the job's files are, as far as its rows tell: a file of k items counts k once the
-- first of its rows is there.  While rows are missing this may be too few, but never as few as
-- there are rows: of c rows of files of k items, those of ceil(c / k) files at least, each file
-- adds k - 1; and c - ceil(c / k) * (k - 1) <= floor(c / k), the files that may be whole.

select
    $files + coalesce(sum(ceil(rows / k) * (k - 1)), 0)::bigint as inputs
from (select greatest(segments, 1) as k, count(*) as rows from files group by k);
