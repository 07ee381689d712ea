-- What has no good row: inputs, or single annotations of them; the caller says in which order a split
-- comes.
select input.path, size, mtime, member, sequence, coalesce(dealt.split, said.split) as split,
    coalesce(segment, 0) as segment, content
from input left join said using (path) left join member using (path) left join dealt using (grp)
where not coalesce(said.done, input.done)
order by coalesce(dealt.split, said.split),
