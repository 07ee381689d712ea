"""Broken, malicious and odd files by many hands, all in one job: each has one true row.

What is true comes from ffprobe, whose verdict on each file is in the corpus's MANIFEST.tsv.
"""

import csv
import json
from pathlib import Path

import pytest

from command_line import rows, shell
from shardmill.contract.errors import ITEM_ERRORS
from shardmill.report.verify import verify

pytestmark = [pytest.mark.needs_corpus, pytest.mark.needs_redis, pytest.mark.timeout(1800)]

BOUNDED = ("--max-frames", "300", "--size", "64x48")  # one file holds 21,766 frames in 4K

NOT_FOR_US = {
    "jpeg-decoder__3976a754ef0aca80e84e2c403d714579.jpg": "a quantiser of 0, which JPEG forbids",
    "jpeg-decoder__id_000182,src_000000,op_flip1,pos_503,+cov.jpg": "a table without length",
    "jpeg-decoder__fddcfc778ada60229380c2493fc4c243.jpg": "no JPEG but for its name",
    "mp4parse__ipma-invalid-property-index.avif": "refused by newer FFmpeg",
    "mozimg__truncated-second-frame.png": "its second frame is cut off",
    "mozimg__threeframes-start.gif": "a first part: it ends in the head of its third picture",
    "mde__0646caeb9b9161c777f117007921a687.gif.txt": "text, which ffprobe would draw",
    "mde__7092f253998c1b6b869707ad7ae92854.gif": "the head of its fourth picture is damaged",
    "mde__adf6f850b13dff73ebb22862c6ab028b.gif": "its sixteenth picture is damaged for Pillow too",
    "mde__bc7af0616c4ae99144c8600e7b39beea.gif": "its fifth picture is cut off for Pillow too",
    "file-type__fixture2.jxl": "PyAV's FFmpeg has no JPEG XL",
    "file-type__fixture-bad-offset.mp3": "sound with cover art",
}
"""ffprobe decodes it and finds nothing wrong, yet it gives no clip."""

FOR_US_ALONE = {
    "mozmt__bug603918.webm": "ffprobe gives up over the sound",
    "mozmt__bug604067.webm": "ffprobe gives up over the sound",
    "mp4parse__alpha_video_moov_is_moop.avif": "an item of HEIF, which older ffprobe cannot read",
    "mp4parse__ipma-duplicate-item_id.avif": "an item of HEIF, which older ffprobe cannot read",
    "mp4parse__no-ftyp.avif": "an item of HEIF, which older ffprobe cannot read",
    "libvips__big-height.webp": "an animated WebP, which older ffprobe cannot read",
    "mde__ee6d1133f9264dc6467990e53d0bf104.gif": "one frame, which ffmpeg decodes",
    "media3__long_4k_av1.mp4": "ffprobe was stopped after 90 s",
}
"""ffprobe counts no frame in it, yet it gives a clip."""


@pytest.fixture(scope="module")
def manifest(corpus) -> dict[str, dict[str, str]]:
    with open(corpus / "MANIFEST.tsv", encoding="utf-8", newline="") as file:
        found = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = {row["path"]: row for row in found if row["path"].startswith("hostile/")}
    return {path.removeprefix("hostile/"): row for path, row in rows.items()}


@pytest.fixture(scope="module")
def job(corpus, tmp_path_factory) -> tuple[dict, Path, list[dict]]:
    """What the run printed, its output directory, and its rows."""
    out = tmp_path_factory.mktemp("hostile") / "out"
    with shell() as here:
        here.limit_s = 1500
        done = here.run(
            "run", corpus / "hostile", "--out", out, "--include", "*", *BOUNDED, "--json"
        )
        told = here.run("query", out, "from files", "--json")
    assert done.code == 3, done.err
    return done.json, out, [json.loads(line) for line in told.out.splitlines()]


def test_each_file_has_one_row_and_the_sums_agree(job, manifest):
    summary, out, _ = job

    assert rows(out).keys() == manifest.keys()
    assert summary["state"] == "done"
    assert summary["inputs"] == len(manifest)
    assert summary["inputs"] == summary["ok"] + summary["failed"] + summary["skipped"]
    assert verify(str(out)).problems == ()


def test_no_file_costs_a_decoder_or_the_worker(job):
    _, _, files = job

    assert {file["attempts"] for file in files} == {1}
    assert len({file["worker"] for file in files}) == 1, "a worker that died has another name"
    classes = {file["error_class"] for file in files} - {None}
    assert classes == {"corrupt", "empty", "encrypted", "too_large", "unsupported"}


def test_each_failure_is_told_in_one_clean_sentence(job):
    _, _, files = job
    for file in files:
        if file["status"] == "ok":
            assert (file["error_class"], file["error_message"]) == (None, None), file["path"]
            continue
        said = file["error_message"]
        assert said[0].isupper(), file["path"]
        assert said.endswith("."), file["path"]
        assert said.isprintable(), file["path"]
        assert len(said) < 400, file["path"]
        assert "patches welcome" not in said, "a word to FFmpeg's developers"
        assert file["status"] == "skipped" or file["error_class"] in ITEM_ERRORS


def frames(row: dict[str, str]) -> int:
    return int(row["nb_frames_counted"] or 0)


def test_what_ffprobe_decodes_without_complaint_is_ok(job, manifest):
    _, _, files = job
    refused = {
        file["path"]
        for file in files
        if file["status"] != "ok"
        and frames(manifest[file["path"]])
        and not manifest[file["path"]]["ffprobe_error"]
    }

    assert refused == NOT_FOR_US.keys()


def test_what_ffprobe_finds_no_frame_in_gives_no_clip(job, manifest):
    _, _, files = job
    taken = {
        file["path"]
        for file in files
        if file["status"] == "ok" and not frames(manifest[file["path"]])
    }

    assert taken == FOR_US_ALONE.keys()


@pytest.mark.parametrize(
    ("path", "error_class", "said"),
    [
        ("moviepy__result.webm", "empty", "The file has no bytes."),
        ("media3__video_init.mp4", "empty", "The file holds no frame."),
        ("media3__subsample_encrypted_altref.webm", "encrypted", "The video is encrypted."),
        ("media3__sample_fragmented_clearkey.mp4", "encrypted", "The video is encrypted."),
        ("mozmt__encrypted-track-without-tenc.mp4", "encrypted", "The video is encrypted."),
        ("mozmt__garbled.webm", "unsupported", "The file is text, not video or image."),
        ("stb__iphone_basi0g01.png", "unsupported", "Apple's own form"),
        ("image-size__width.svg", "unsupported", "a codec for which there is no decoder here"),
        ("jpeg-decoder__max_size.jpg", "too_large", "claims 65535x65535."),
        ("mozimg__1235605.gif", "too_large", "claims 65534x65531."),
        ("libvips__17000x17000.avif", "too_large", "claims 17000x17000."),
        ("pillow__reallybig.bmp", "too_large", "claims 3000000x2000000."),
        ("image-png__x_ihdr_missing.png", "corrupt", "png: IDAT without IHDR."),
        ("pillow__badwidth.bmp", "corrupt", "Failed to set dimensions -127 64."),
        ("libvips__truncated.jpg", "corrupt", "the mark that ends a JPEG, found none."),
        ("file-type__fixture-isomv2.mp4", "corrupt", "moov atom not found."),
        ("libheif__github_47.heic", "corrupt", "its data is damaged or of an unknown kind."),
    ],
)
def test_the_sentence_is_true(job, path, error_class, said):
    _, _, files = job
    (file,) = (file for file in files if file["path"] == path)

    assert file["error_class"] == error_class
    assert said in file["error_message"]
