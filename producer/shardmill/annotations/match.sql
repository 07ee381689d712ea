-- Gives every annotation of `annotation_read` the input that it is about, in its order (`number`).
--
-- Each statement has few joins, of narrow rows: what runs at once shares the memory limit.
create or replace temp table annotation_name as
select
    number, md5_number(name) as name, md5_number(key) as key, bare != name as is_padded,
    md5_number(folded(if(bare = name, key, key_of(bare, $by_stem, $media_suffix)))) as folded,
    md5_number(concat_ws(chr(0),
        coalesce(start_ns, -1), coalesce(end_ns, -1), coalesce(split, ''), extra, len(labels),
        key, array_to_string(labels, chr(0)))) as content
from (
    select *, text_of(source) as name, stripped(name) as bare,
        key_of(name, $by_stem, $media_suffix) as key
    from annotation_read
);

-- Annotations that are left out because of an earlier one, `first`.  Duplicates have the same file,
-- range, labels, split and other columns.
create or replace temp table annotation_contradiction as
select number, first, 'duplicate' as kind
from annotation_name
join (
    select content, min(number) as first from annotation_name group by content having count(*) > 1
) using (content)
where number > first;

-- The input with the same key, else the one with the same folded key; where there are several, the
-- one that has the very path.
create or replace temp table annotation_found as
select
    number, coalesce(inputs, 0) as candidates, if(inputs = 1, input, null) as input,
    false as is_stripped
from annotation_name
anti join annotation_contradiction using (number)
left join (
    select key, count(*) as inputs, min(number) as input
    from annotation_input
    where key in (select key from annotation_name)
    group by key
) using (key);
update annotation_found
set candidates = inputs, input = if(inputs = 1, hit.input, null),
    is_stripped = is_padded and inputs = 1
from (
    select annotation_name.number, is_padded, inputs, alike.input
    from annotation_name
    semi join (from annotation_found where candidates = 0) as missed using (number)
    join (
        select folded, count(*) as inputs, min(number) as input from annotation_input group by folded
    ) as alike using (folded)
) as hit
where hit.number = annotation_found.number;
update annotation_found
set input = hit.input
from (
    select annotation_name.number, annotation_input.number as input
    from annotation_name
    semi join (from annotation_found where candidates != 1) as unclear using (number)
    join annotation_input using (name)
) as hit
where hit.number = annotation_found.number;

-- Split of each input: that of its first annotation that names one.  The others that name a split
-- contradict it.
create or replace temp table annotation_split as
select input, arg_min(split, number) as split, min(number) as first
from annotation_found join annotation_read using (number)
where input is not null and split is not null
group by input;
insert into annotation_contradiction
select number, first, 'split'
from annotation_found
join annotation_read using (number)
join annotation_split using (input)
where annotation_read.split != annotation_split.split;
delete from annotation_found where number in (select number from annotation_contradiction);

-- Inputs with their annotations one behind the other, from `place` on.  A window function would hold
-- all annotations of a file in memory.
create or replace temp table annotation_segment as
select number, input, row_number() over () as place
from (select number, input from annotation_found where input is not null order by input, number);
create or replace temp table annotation_file as
select input, path, place, segments, split
from (
    select input, min(place) as place, count(*) as segments from annotation_segment group by input
)
join annotation_input on number = input
left join annotation_split using (input);
create or replace table annotation as
select
    path, (annotation_segment.place - annotation_file.place)::integer as segment,
    segments::integer as segments, labels, extra, start_ns as clip_start_ns,
    end_ns as clip_end_ns, annotation_file.split
from annotation_segment
join annotation_read using (number)
join annotation_file using (input);

-- Files that annotations name and that are no inputs, or could be several, by their first annotation.
create or replace temp table annotation_lost as
select min(number) as number, count(*) as annotations
from annotation_found join annotation_name using (number)
where input is null
group by key;
create or replace table skipped as
select
    bytes_of(coalesce(nullif(plain(text_of(source)), ''), text_of(source))) as path,
    0 as segment, labels, extra, split,
    case
        when paths is not null then 'could be ' || array_to_string(list_transform(
            paths[1:3], lambda other: '''' || text_of(other)[:60] || ''''), ' or ')
            || if(len(paths) > 3, ', ...', '')
        when try(decode(source)) is null then
            'no such file; its name is not UTF-8: save the file of annotations as UTF-8, or '
            || 'convert it, as with iconv -f WINDOWS-1252 -t UTF-8'
        else 'no such file'
    end || '; annotated in ' || place || line
    || if(annotations > 1, format(' and {:,} more', annotations - 1), '') as reason
from annotation_lost
join annotation_read using (number)
join annotation_origin using (origin)
left join (
    select annotation_lost.number, arg_min(path, annotation_input.number, 4) as paths
    from annotation_lost
    join annotation_name using (number)
    join annotation_input using (folded)
    group by annotation_lost.number
) using (number);
