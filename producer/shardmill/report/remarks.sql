-- What became of inputs although nothing failed.  Small: clips whose source is smaller than the size
-- that frames were to have, on any side where each is scaled or covered, on both where the picture is
-- fitted in.  Pages: pictures of files of several still ones, the first of which is taken.

select
    (select count(*) from files where status = 'ok' and pages > 1) as files_of_pages,
    (select coalesce(sum(pages), 0) from files where status = 'ok' and pages > 1) as pages,
    count(clip_id) filter (
        where case
            when $fitted then display_width < $width and display_height < $height
            else display_width < $width or display_height < $height
        end
    ) as small,
    count(*) filter (where size_changes > 0) as changing
from file_clips
where status = 'ok';
