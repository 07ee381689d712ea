-- Sound files by kind and codec, the most frequent first.
select
    coalesce(kind, '?') as kind,
    coalesce(codec, '?') as codec,
    count(*) as files,
    sum(size_bytes) as bytes
from files
where status = 'ok'
group by all
order by files desc, kind, codec
limit 12;
