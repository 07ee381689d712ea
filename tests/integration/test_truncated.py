"""Files that end too early: the frames that ffmpeg still gives, and one true sentence."""

import subprocess
from pathlib import Path

import pytest

from shardmill.contract.errors import ItemError
from shardmill.contract.schema import Item
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.probe import probe_item

pytestmark = [pytest.mark.needs_ffmpeg, pytest.mark.timeout(600)]

CUTS = range(1, 16)
"""In sixteenths of the whole file."""
VIDEOS = {
    "index-first.mp4": "-c:v libx264 -g 10 -movflags +faststart",
    "fragmented.mp4": "-c:v libx264 -g 10 -movflags frag_keyframe+empty_moov",
    "clip.mkv": "-c:v libx264 -g 10",
    "clip.ts": "-c:v libx264 -g 10",
    "clip.avi": "-c:v mpeg4 -g 10",
    "motion-jpeg.avi": "-c:v mjpeg",
    "clip.webm": "-c:v libvpx -g 10",
    "clip.flv": "-c:v flv1 -g 10",
    "clip.mpg": "-c:v mpeg2video -g 10",
    "clip.ogv": "-c:v libtheora -g 10",
}
PICTURES = {
    "picture.png": "",
    "picture.bmp": "",
    "picture.tif": "",
    "picture.webp": "-c:v libwebp",
    "picture.jpg": "-q:v 3",
}


def make(ffmpeg: str, path: Path, options: str, *, frames: int) -> bytes:
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", str(frames))
    subprocess.run([ffmpeg, "-v", "error", *source, *options.split(), str(path)], check=True)
    return path.read_bytes()


def by_ffmpeg(ffmpeg: str, path: Path) -> int:
    """Return how many frames ffmpeg decodes; what it says besides does not count."""
    told = subprocess.run(
        [ffmpeg, "-v", "quiet", "-i", path, "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
    )
    return sum(1 for line in told.stdout.splitlines() if line and not line.startswith("#"))


def shown_before_the_last(path: Path) -> int:
    """Return how many of a file's packets are shown before the one that comes last, by ffprobe."""
    asked = ("-v", "quiet", "-select_streams", "v", "-show_entries", "packet=pts", "-of", "csv=p=0")
    told = subprocess.run(["ffprobe", *asked, path], capture_output=True, text=True)
    pts = [int(line.strip(",")) for line in told.stdout.split() if line.strip(",").isdigit()]
    return sum(time < pts[-1] for time in pts) if pts else 0


def by_engine(path: Path) -> tuple[int, ItemError | None]:
    """Return how many frames the engine decodes, and why no more if that is not all."""
    found = path.stat()
    item = Item(path=path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    frames = 0
    try:
        probe_item(str(path.parent), item)
        with open_media(str(path.parent), item) as media:
            for _ in source_frames(media, lambda: None):
                frames += 1
    except ItemError as error:
        return frames, error
    return frames, None


def assert_is_a_true_refusal(error: ItemError) -> None:
    assert error.error_class in ("corrupt", "empty", "unsupported")
    said = str(error)
    assert said[0].isupper()
    assert said.endswith(".")
    assert said.isprintable()


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_that_is_cut_off_is_corrupt_behind_the_frames_that_ffmpeg_gives(
    ffmpeg, tmp_path, name
):
    """A cut between two packets may pass; then it gives what there is."""
    whole = make(ffmpeg, tmp_path / name, VIDEOS[name], frames=50)
    refused = 0
    for sixteenths in CUTS:
        path = tmp_path / f"{sixteenths:02d}-{name}"
        path.write_bytes(whole[: len(whole) * sixteenths // 16])

        said, error = by_engine(path)

        expected = by_ffmpeg(ffmpeg, path)
        if error is None:
            assert said == expected, path.name
        else:
            refused += 1
            assert_is_a_true_refusal(error)
            # FFmpeg makes a frame of what there is of the last packet, and shows those behind it
            # too that it had decoded before.
            assert said in (expected, expected - 1, shown_before_the_last(path)), (
                f"{path.name}: {error}"
            )
    assert refused > len(CUTS) * 3 / 4


def test_a_gif_that_is_cut_off_gives_the_frames_before_the_cut(ffmpeg, tmp_path):
    """FFmpeg since version 7 gives what there is of the last frame too."""
    whole = make(ffmpeg, tmp_path / "clip.gif", "", frames=25)
    for sixteenths in CUTS:
        path = tmp_path / f"{sixteenths:02d}.gif"
        path.write_bytes(whole[: len(whole) * sixteenths // 16])

        said, error = by_engine(path)

        assert said - by_ffmpeg(ffmpeg, path) in (0, 1), path.name
        if error is not None:
            assert_is_a_true_refusal(error)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_cut_off_is_corrupt(ffmpeg, tmp_path, name):
    """FFmpeg would give half of some: a picture that is half grey is no picture."""
    whole = make(ffmpeg, tmp_path / name, PICTURES[name], frames=1)
    for sixteenths in CUTS:
        path = tmp_path / f"{sixteenths:02d}-{name}"
        path.write_bytes(whole[: len(whole) * sixteenths // 16])

        _, error = by_engine(path)

        assert error is not None, path.name
        assert_is_a_true_refusal(error)
        assert error.error_class == "corrupt"
