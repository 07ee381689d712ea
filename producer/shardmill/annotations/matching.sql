-- Annotations and inputs side by side.  `key` is what both are matched by, as bytes; `folded` is
-- the same in Unicode's NFC, of an annotation without the blanks at its ends (`is_padded` 1 if it
-- has any); `source` is the path that is written.  `file` is the input an annotation belongs to,
-- `hits` how many it could be (2 for several), `is_folded` 1 if they were sought by the folded key.
create table input (number integer primary key, path blob unique, key blob, folded blob);
create table annotation (
    number integer primary key, key blob, folded blob, is_padded integer, source blob,
    digest blob, split text, content text,
    file integer, hits integer, is_folded integer
);

create view duplicate as
select later.number, later.content, first.content as first_content
from annotation as later
join annotation as first on first.number = (
    select min(number) from annotation as same where same.digest = later.digest
)
where first.number < later.number;

-- Annotations that put a file into another split than its first one that names any.
create view torn as
select later.number, later.content, first.content as first_content
from annotation as later
join (
    select file, split, content, min(number)
    from annotation
    where file is not null and split is not null
    group by file
) as first using (file)
where later.split != first.split;
