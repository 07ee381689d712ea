"""An image sequence is what FFmpeg's own reader of image sequences makes of the pictures."""

import subprocess
from pathlib import Path

import cv2
import pytest

from made_media import picture
from shardmill.contract.location.image_sequence import patterns_of, pictures_at, sequence_of
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine.decode import SourceFrame
from shardmill_worker.engine.image_sequence import probe_sequence
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.reader import reader_of

Frame = tuple[int, int, bool, bytes]
"""Number in the source, time, whether it is a keyframe, RGB."""


class Keep:
    """Keeps all of a frame."""

    held_bytes = 0

    def begin(self) -> None:
        """Nothing is remembered."""

    def __call__(self, media: Media, frame: SourceFrame) -> Frame:
        rgb = frame.picture.to_ndarray(format="rgb24").tobytes()
        return frame.index, frame.pts_ns, frame.keyframe, rgb


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten pictures, their numbers not filled up with zeros."""
    for number in range(5, 15):
        picture(tmp_path / f"50%_{number}.png", seed=number)
    return tmp_path


def sequence(root: Path) -> Item:
    ((pattern, _),) = patterns_of([path.name for path in root.glob("*.png")])
    files = pictures_at(f"{root}/{pattern.name}")
    size_bytes, mtime_ns = sum(f.size_bytes for f in files), max(f.mtime_ns for f in files)
    fields = sequence_of(files, 25.0).fields()
    return Item(path=pattern.name, size_bytes=size_bytes, mtime_ns=mtime_ns, **fields)


def kept(root: Path, item: Item, **options) -> list[Frame]:
    probe = probe_item if item.sequence is None else probe_sequence
    facts = probe(str(root), item)
    reader = reader_of(str(root), item, facts, Spec(**options), lambda: None)
    (reading,) = reader.read_all([item], [Keep()])
    return reading.kept


def test_ffmpeg_reads_the_same_pictures_by_the_name_of_the_sequence(root, ffmpeg):
    item = sequence(root)
    command = [ffmpeg, "-v", "error", "-start_number", "5", "-i", root / item.path]

    told = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], stdout=subprocess.PIPE, check=True
    )

    names = [f"50%_{number}.png" for number in range(5, 15)]
    alone = [cv2.imread(str(root / name))[..., ::-1].tobytes() for name in names]
    found = kept(root, item)
    assert told.stdout == b"".join(alone) == b"".join(frame[-1] for frame in found)
    assert [frame[:3] for frame in found] == [(k, 40_000_000 * k, True) for k in range(10)]


def test_ffprobe_calls_it_the_same(root, ffmpeg):
    item = sequence(root)
    entries = "format=format_name,duration:stream=codec_name,r_frame_rate,width,height"
    told = subprocess.run(
        [
            *(ffmpeg.replace("ffmpeg", "ffprobe"), "-v", "error", "-framerate", "25"),
            *("-start_number", "5", "-show_entries", entries, "-of", "default=nk=1:nw=1"),
            root / item.path,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    facts = probe_sequence(str(root), item)

    assert told == ["png", "32", "24", "25/1", "image2", "0.400000"]
    assert (facts.codec, facts.width, facts.fps, facts.container, facts.duration_s) == (
        *("png", 32, 25.0, "image2", 0.4),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"every": 3},
        {"fps": 7.0},
        {"fps": 60.0},
        {"count": 4},
        {"at": "0,0.1,0.35"},
        {"start_s": 0.1, "end_s": 0.3},
        {"start_s": 0.2, "fps": 10.0, "max_frames": 2},
        {"keyframes": True},
    ],
    ids=str,
)
def test_frames_are_chosen_as_in_the_video_that_ffmpeg_makes_of_the_pictures(root, ffmpeg, options):
    item = sequence(root)
    command = [ffmpeg, "-v", "error", "-framerate", "25", "-start_number", "5", "-i"]
    video = root / "v.mov"
    subprocess.run([*command, root / item.path, "-c:v", "png", video], check=True)
    status = video.stat()
    whole = Item(path="v.mov", size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)

    found = kept(root, item, **options)

    assert found == kept(root, whole, **options)
    assert 0 < len(found) <= 10
