-- Clips whose source is smaller than the size that frames were to have: on any side where each
-- is scaled or covered, on both where the picture is fitted in.

select count(clip_id) as clips
from files
where clip_id is not null
    and case
        when $fitted then display_width < $width and display_height < $height
        else display_width < $width or display_height < $height
    end;
