"""On real files by many hands, facts and frames are those of ffprobe and the ``ffmpeg`` program.

What is compared, and how, stands in ``tests/correctness``; ``docs/correctness.md`` shows it all.
"""

import numpy as np
import pytest
from PIL import Image, ImageOps

from correctness import facts, frames, ways
from correctness.comparison import assert_explained, explanations, table
from correctness.page import MEASURES, PAGE, written

pytestmark = [pytest.mark.needs_corpus, pytest.mark.needs_ffmpeg, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__module__)
def test_every_difference_has_its_reason(measured, measure, capsys):
    comparison = measured(measure)

    with capsys.disabled():  # whoever runs the tests sees what was compared
        print("", comparison.claim, table(comparison), sep="\n")
    assert comparison.rows
    assert_explained(comparison)


def test_the_page_is_what_the_comparisons_say_now(measured, corpus):
    page = written(corpus, map(measured, MEASURES))

    assert PAGE.read_text(encoding="utf-8") == page, "run `make correctness` and look what changed"


LEAST_COMPARED = {"usable": 600, "size": 500, "fps": 150, "vfr": 120, "frames_counted": 200}
"""Files, so that a comparison that compares nothing does not pass."""


def test_most_files_say_something_of_every_fact(measured):
    compared = {row[0]: int(row[1]) for row in measured(facts.measure).rows}

    assert {what for what, least in LEAST_COMPARED.items() if compared[what] < least} == set()


def test_much_is_skipped_where_little_is_wanted(measured):
    comparison = measured(ways.measure)

    files = comparison.header.index("files")
    assert sum(int(row[files]) for row in comparison.rows) > 200, "the corpus has more videos"
    decoded = {row[0]: row[comparison.header.index("5 evenly")] for row in comparison.rows}
    assert int(decoded["h264"].rstrip("%")) < 60


TURNED_BY_OTHERS = "Pillow shows it as we do"


def test_pictures_that_ffmpeg_does_not_turn_are_as_pillow_turns_them(corpus):
    """HEIF's and TIFF's own orientation, which ffmpeg 5.1 does not know."""
    paths = [path for (path, _), why in explanations("rgb").items() if TURNED_BY_OTHERS in why]
    assert len(paths) > 10

    for path in paths:
        picture = ImageOps.exif_transpose(Image.open(corpus / path)).convert("RGB")
        ours = frames.first_picture(corpus, path)
        assert ours.shape == (picture.height, picture.width, 3), path
        # Pillow enlarges U and V another way, and some of these are all sharp edges.
        assert np.abs(ours.astype(int) - np.asarray(picture)).mean() < 10, path
