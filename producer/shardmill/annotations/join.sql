-- Give every annotation the one input with the same key, else the one with the same folded key,
-- else the one that has the very path.
create index input_key on input (key);
create index input_folded on input (folded);
update annotation set is_folded = 0, (hits, file) = (
    select count(*), min(number)
    from (select number from input where key = annotation.key limit 2)
);
update annotation set is_folded = 1, (hits, file) = (
    select count(*), min(number)
    from (select number from input where folded = annotation.folded limit 2)
)
where hits = 0;
update annotation set is_folded = 0, hits = 1, file = (
    select number from input where path = annotation.source
)
where hits != 1 and source in (select path from input);
update annotation set file = null where hits = 2;
create index annotation_file on annotation (file, number);
