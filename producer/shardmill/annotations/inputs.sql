-- The inputs by what annotations name them with, and the tables that are filled meanwhile.
--
-- A path is bytes.  `text_of` gives it as text: its UTF-8, or where it is none, each odd byte as NUL
-- and its hexadecimal digits, which no file's name can hold; `bytes_of` is the way back.
create or replace temp macro text_of(path) as
    coalesce(try(decode(path)), replace(path::varchar, '\', chr(0)));
create or replace temp macro bytes_of(name) as
    if(contains(name, chr(0)), replace(name, chr(0), '\')::blob, encode(name));
-- A path without empty parts and dots.
create or replace temp macro plain(name) as
    if(contains('/' || name || '/', '//') or contains('/' || name || '/', '/./'),
        array_to_string(
            list_filter(string_split(name, '/'), lambda part: part not in ('', '.')), '/'),
        name);
-- The name of a file without folder and suffix; dots at its beginning begin no suffix.
create or replace temp macro stem(name) as
    regexp_replace(split_part(name, '/', -1), '(?s)^(\.*[^.].*)\.[^.]*$', '\1');
-- What an annotation writes for an input, as its key.  An id may have dots, so only a suffix of media
-- is left out of a stem.
create or replace temp macro key_of(name, by_stem, media_suffix) as
    if(by_stem, regexp_replace(split_part(name, '/', -1), media_suffix, '\1'), plain(name));
-- Canonical composition: macOS writes é as two characters.  DuckDB's ends at NUL.
create or replace temp macro folded(key) as
    if(contains(key, chr(0)), key, nfc_normalize(key));
-- Without the blanks at the ends, which are those of Python's str.strip.
create or replace temp macro stripped(name) as
    regexp_replace(
        name,
        '^[\pZ\x09-\x0d\x1c-\x1f\x{85}]+|[\pZ\x09-\x0d\x1c-\x1f\x{85}]+$', '', 'g');

-- A sequence is named by its folder.
create or replace temp macro source_of(path, is_sequence) as
    if(is_sequence, regexp_replace(text_of(path), '/?[^/]*$', ''), text_of(path));

-- `name`, `key` and `folded` are hashes, for a join of texts takes more memory.
create or replace temp table annotation_input as
select
    row_number() over () - 1 as number, path, is_sequence, md5_number(text_of(path)) as name,
    md5_number(key) as key, md5_number(folded(key)) as folded
from (
    select path, is_sequence,
        if($by_stem and not is_sequence, stem(source_of(path, false)),
            key_of(source_of(path, is_sequence), $by_stem, $media_suffix)) as key
    from (select path, pictures is not null as is_sequence from input)
    order by path
);

-- Where annotations come from: `place` and the number of a line or element name it.
create or replace temp table annotation_origin (origin integer, place varchar);
create or replace temp table annotation_read (
    number bigint, origin integer, line bigint, source blob, labels varchar[],
    start_ns bigint, end_ns bigint, split varchar, extra varchar
);
create or replace table class (label varchar);
