"""Forty real files of forty kinds: facts, frames and rows are those of ffprobe and ffmpeg.

What the tests of the whole corpus show of 1,143 files in minutes, this shows in seconds.
"""

from pathlib import Path

import pytest

from command_line import rows
from correctness.comparison import assert_explained
from correctness.page import MEASURES
from correctness.probed import answers, table
from shardmill.report.verify import verify

pytestmark = pytest.mark.timeout(600)

WHOLE = 40
REFUSED = {
    "odd_video/mediafile__image.mp3": "skipped",
    "images/libjxl-td__splines.jxl": "unsupported",
    "images/pillow__tiff_strip_cmyk_jpeg.tif": "unsupported",
    "hostile/media3__sample_fragmented_clearkey.mp4": "encrypted",
    "hostile/torchvision__bad_huffman.jpg": "corrupt",
}
"""What gives no clip: sound with cover art, what has no decoder here, a secret, damage."""
DAMAGED_WITHIN = "hostile/torchvision__bad_huffman.jpg"


@pytest.fixture(scope="module")
def manifest(corpus_slice: Path) -> dict[str, dict[str, str]]:
    found = table(corpus_slice)
    assert len(found) == WHOLE
    return found


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__module__)
def test_every_difference_from_ffmpeg_has_its_reason(
    explained_ffmpeg, corpus_slice, manifest, measure
):
    comparison = measure(corpus_slice)

    assert comparison.rows
    assert_explained(comparison, among=manifest.keys())


@pytest.mark.parametrize(("look", "least"), [("header", 5), ("quick", 12)])
def test_a_fast_look_says_what_a_full_one_says(corpus_slice, manifest, look, least):
    full = answers(corpus_slice, manifest, "full")
    fast = answers(corpus_slice, manifest, look)

    told = {path: said for path, said in fast.items() if "kind" in said}
    assert len(told) >= least, "the fast way is hardly taken"
    unequal = {path for path, said in told.items() if said != full[path]}
    assert unequal <= {DAMAGED_WITHIN}


def test_each_file_has_its_one_row_in_a_job(there, corpus_slice, manifest, tmp_path):
    out = tmp_path / "out"
    bounded = ("--size", "64x48", "--max-frames", "30")

    done = there.submit(corpus_slice, "--out", out, "--include", "*/*", *bounded, "--json")

    assert rows(out) == dict.fromkeys(manifest, "ok") | REFUSED
    assert (done.code, done.json["inputs"], done.json["ok"]) == (3, WHOLE, WHOLE - len(REFUSED))
    assert verify(str(out), deep=True).problems == ()
