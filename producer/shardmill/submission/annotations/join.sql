-- Give every annotation the one input with the same key, else the one with the same folded key.
create index input_key on input (key);
create index input_folded on input (folded);
update annotation set
    hits = (select count(*) from (select 1 from input where key = annotation.key limit 2)),
    is_folded = 0;
update annotation set
    hits = (select count(*) from (select 1 from input where folded = annotation.folded limit 2)),
    is_folded = 1
where hits = 0;
update annotation set file = (select number from input where key = annotation.key)
where hits = 1 and is_folded = 0;
update annotation set file = (select number from input where folded = annotation.folded)
where hits = 1 and is_folded = 1;
create index annotation_file on annotation (file, number);
