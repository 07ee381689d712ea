"""Files by many hands: none makes the engine raise what it must not.

Each file is read in a process of its own, as a decoder would be after a crash.
"""

import re

import pytest

from correctness.probed import answers, table

pytestmark = [pytest.mark.needs_corpus, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def manifest(corpus) -> dict[str, dict[str, str]]:
    return table(corpus)


@pytest.fixture(scope="module")
def probed(corpus, manifest) -> dict[str, dict]:
    """What the engine says of each file."""
    return answers(corpus, manifest, "probe")


def test_no_file_raises_anything_but_its_own_error(probed, manifest):
    assert probed.keys() == manifest.keys()


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
