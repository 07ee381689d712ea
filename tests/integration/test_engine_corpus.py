"""Files by many hands: the engine agrees with ffprobe, and no file makes it raise what it must not.

Each file is read in a process of its own, as a decoder would be after a crash.
"""

import csv
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(1800)]

PROBE = """
import dataclasses, json, os, sys
from shardmill.contract.errors import ItemError, Skip
from shardmill.contract.manifest import Item
from shardmill_worker.engine.probe import probe_item
root = sys.argv[1]
for path in sys.stdin.read().splitlines():
    found = os.stat(os.path.join(root, path))
    item = Item(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    try:
        said = dataclasses.asdict(probe_item(root, item))
    except Skip as reason:
        said = {"skip": str(reason)}
    except ItemError as error:
        said = {"error": error.error_class, "message": str(error)}
    print(json.dumps([path, said]), flush=True)
"""


@pytest.fixture(scope="module")
def manifest(corpus) -> dict[str, dict[str, str]]:
    with open(corpus / "MANIFEST.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: row for row in rows}


@pytest.fixture(scope="module")
def probed(corpus, manifest) -> dict[str, dict]:
    """What the engine says of each file."""

    def probe(paths: list[str]) -> list:
        run = subprocess.run(
            [sys.executable, "-c", PROBE, str(corpus)],
            input="\n".join(paths),
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, (run.returncode, run.stdout[-300:], run.stderr[-2000:])
        return [json.loads(line) for line in run.stdout.splitlines()]

    paths = list(manifest)
    groups = [paths[k : k + 100] for k in range(0, len(paths), 100)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {path: said for answers in pool.map(probe, groups) for path, said in answers}


def test_no_file_raises_anything_but_its_own_error(probed, manifest):
    assert probed.keys() == manifest.keys()


@pytest.mark.parametrize("folder", ["clips/", "odd_video/"])
def test_what_ffprobe_finds_frames_in_can_be_used(probed, manifest, folder):
    failed = {
        path: probed[path]
        for path, row in manifest.items()
        if path.startswith(folder) and row["codec"] and "error" in probed[path]
    }

    assert failed == {}


OTHER_STREAM = {"odd_video/torchcodec__nasa_13013.mp4"}
"""ffprobe shows the first stream, ffmpeg takes the largest."""
HEADER_LIES = {
    "odd_video/mozmt__black29x19offset.ogv",
    "odd_video/mozmt__incorrect_display_in_bytestream_vp8.webm",
    "odd_video/wpt__four-colors.mp4",
}
"""The container tells another size than the frames have."""


@pytest.mark.parametrize("folder", ["clips/", "odd_video/"])
def test_facts_are_those_of_ffprobe(probed, manifest, folder):
    for path, row in manifest.items():
        said = probed[path]
        if not path.startswith(folder) or "kind" not in said or path in OTHER_STREAM:
            continue
        if path not in HEADER_LIES:
            assert (str(said["width"]), str(said["height"])) == (row["width"], row["height"]), path
        assert said["codec"] == row["codec"], path
        assert said["rotation_deg"] == -int(float(row["rotation"] or 0)) % 360, path
        if row["sar"] not in ("", "0:1"):
            assert said["sample_aspect"] == row["sar"], path
        if row["nb_frames_header"]:
            assert said["frames_header"] == int(row["nb_frames_header"]), path


def test_cover_art_is_no_video(probed, manifest):
    for path, row in manifest.items():
        if path.startswith("odd_video/") and "coverart-only" in row["kinds"]:
            assert "sound and no video" in probed[path]["skip"], path


@pytest.mark.parametrize(
    ("path", "kind", "frames"),
    [
        ("images/libavif__colors-animated-8bpc.avif", "video", 5),
        ("images/wpt__animated-avif.avif", "video", 1801),
        ("images/pillow__hopper.heif", "image", None),
        ("images/mozimg__first-frame-green.png", "video", None),
        ("images/pillow__frame_size.mpo", "image", None),
    ],
)
def test_a_picture_file_is_a_video_if_it_moves(probed, path, kind, frames):
    """MPO holds two views of one picture: the first is the picture."""
    assert probed[path]["kind"] == kind
    if frames:
        assert probed[path]["frames_header"] == frames


def test_every_webp_has_the_frames_that_pillow_finds(probed, manifest):
    """One frame is an image, more are a clip."""
    found = {}
    for path, row in manifest.items():
        pillow = re.match(r"WEBP \d+x\d+ \w+ frames=(\d+)", row["pillow"])
        if pillow and "kind" in probed[path]:
            found[path] = (probed[path]["kind"], probed[path]["frames_header"] or 1, int(pillow[1]))

    assert sum(truth > 1 for _, _, truth in found.values()) >= 4
    for path, (kind, frames, truth) in found.items():
        assert (kind, frames) == ("video" if truth > 1 else "image", truth), path


def test_tiles_make_the_picture_that_pillow_finds(probed, manifest):
    path = "images/libavif__sofa_grid1x5_420.avif"
    size = f"{probed[path]['width']}x{probed[path]['height']}"

    assert manifest[path]["pillow"].startswith(f"AVIF {size} ")


def test_jpeg_xl_is_refused_by_its_name(probed):
    pictures = {path: said for path, said in probed.items() if path.endswith(".jxl")}

    assert len(pictures) >= 10
    for path, said in pictures.items():
        assert said.get("error") == "unsupported", path
        assert "JPEG XL" in said["message"], path
