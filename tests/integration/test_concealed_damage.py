"""Damage that decoders paint over is told: in runs, in checks, and with the frames before it kept.

What is damaged is known from how the file was damaged; that it can be seen, from the frames of the
undamaged file.
"""

import random
from pathlib import Path

import numpy as np
import pytest

from correctness.ways import item_of
from made_streams import made
from shardmill.contract.errors import Corrupt
from shardmill.contract.options.sampling import EveryFrame, EveryNth, GivenTimes, Selection
from shardmill_worker.engine.count import decode_all
from shardmill_worker.engine.gathering import Keep
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.pixels import PixelReader
from shardmill_worker.engine.video import Reading, VideoReader

pytestmark = pytest.mark.needs_ffmpeg

MOVING = "testsrc2=size=320x240:rate=25:duration=4,noise=alls=8"


class Luma(Keep[np.ndarray]):
    """Keeps what is bright and what is dark.  Shape (H, W), uint8."""

    def begin(self) -> None:
        pass

    def __call__(self, media, frame) -> np.ndarray:
        return PixelReader().read(frame.picture).planes[0].copy()


def read(path: Path, policy=None, *, keep_partial: bool = False) -> Reading[np.ndarray]:
    root, item = str(path.parent), item_of(str(path.parent), path.name)
    reader = VideoReader(
        reopen=lambda: open_media(root, item),
        selection=Selection(policy=policy or EveryFrame()),
        keep_partial=keep_partial,
        advance=lambda: None,
    )
    return reader.read(item, Luma())


def without_packets(data: bytes, *, lost: list[int]) -> bytes:
    """A transport stream as received where the sky was cloudy."""
    packets = [data[start : start + 188] for start in range(0, len(data), 188)]
    return b"".join(p for number, p in enumerate(packets) if number not in lost)


def without_sector(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(512) + data[at + 512 :]


def with_bits_flipped(data: bytes, at: int) -> bytes:
    """A few bits of some bytes from a place on: a single one may do no harm."""
    broken = bytearray(data)
    for place in range(at, at + 40, 8):
        broken[place] ^= 0x5A
    return bytes(broken)


DAMAGES = {
    "h264.ts": ("-c:v libx264 -g 25 -bf 2", "lost"),
    "h264.mp4": ("-c:v libx264 -g 25 -bf 2 -coder vlc", "sector"),
    "h264.mkv": ("-c:v libx264 -g 25 -bf 0", "bits"),
    "hevc.mp4": ("-c:v libx265 -x265-params log-level=0:keyint=25", "sector"),
    "mpeg2.mpg": ("-c:v mpeg2video -q:v 3 -g 12 -bf 2", "bits"),
    "mpeg4.avi": ("-c:v mpeg4 -q:v 3 -g 12 -bf 2", "bits"),
    "mjpeg.avi": ("-c:v mjpeg -q:v 3", "sector"),
    "theora.ogv": ("-c:v libtheora -q:v 7 -g 12", "sector"),
    "ffv1.mkv": ("-c:v ffv1 -level 3 -slicecrc 1 -slices 4 -frames:v 25", "bits"),
    "png.mov": ("-c:v png -frames:v 25", "bits"),
}


def damaged(ffmpeg: str, folder: Path, name: str, *, part: float) -> tuple[Path, Path]:
    options, damage = DAMAGES[name]
    sound, broken = folder / name, folder / f"broken-{name}"
    data = made(ffmpeg, sound, options, MOVING)
    at = int(len(data) * part)
    if damage == "lost":
        start = at // 188
        broken.write_bytes(without_packets(data, lost=list(range(start, start + 20, 4))))
    else:
        spoil = without_sector if damage == "sector" else with_bits_flipped
        broken.write_bytes(spoil(data, at))
    return sound, broken


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("part", [0.4, 0.6])
def test_visible_damage_is_told_and_the_frames_before_it_are_sound(ffmpeg, tmp_path, name, part):
    sound, broken = damaged(ffmpeg, tmp_path, name, part=part)
    truth = read(sound).kept

    with pytest.raises(Corrupt):
        read(broken)
    with pytest.raises(Corrupt):
        decode_all(str(tmp_path), item_of(str(tmp_path), broken.name), lambda: None)
    kept = read(broken, keep_partial=True)

    assert isinstance(kept.damage, Corrupt)
    assert 0 < len(kept.kept) < len(truth)
    for frame, expected in zip(kept.kept, truth[: len(kept.kept)], strict=True):
        np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("name", ["h264.ts", "h264.mp4", "mjpeg.avi", "hevc.mp4"])
@pytest.mark.parametrize(
    "policy",
    [EveryNth(step=3), GivenTimes(times_ns=tuple(n * 80_000_000 for n in range(50)))],
)
def test_who_skips_frames_stores_no_damaged_one(ffmpeg, tmp_path, name, policy):
    sound, broken = damaged(ffmpeg, tmp_path, name, part=0.4)
    truth = read(sound, policy).kept

    kept = read(broken, policy, keep_partial=True)

    assert len(kept.kept) == len(truth) or isinstance(kept.damage, Corrupt)
    for frame, expected in zip(kept.kept, truth[: len(kept.kept)], strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_sound_frames_far_from_the_damage_are_read_where_only_they_are_wanted(ffmpeg, tmp_path):
    """As documented: no more is decoded than is asked for, and ``--check`` finds all damage."""
    sound, broken = damaged(ffmpeg, tmp_path, "h264.mp4", part=0.6)
    first = GivenTimes(times_ns=(0, 400_000_000))

    for frame, expected in zip(read(broken, first).kept, read(sound, first).kept, strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_a_first_picture_that_is_damaged_is_not_forgiven(ffmpeg, tmp_path):
    """Only a recording that starts between keyframes may begin with what cannot be decoded."""
    data = made(ffmpeg, tmp_path / "a.ts", "-c:v libx264 -g 50 -bf 2", MOVING)
    picture = data.index(b"\0\0\1\x65") + 200
    (tmp_path / "b.ts").write_bytes(with_bits_flipped(data, picture))

    with pytest.raises(Corrupt):
        read(tmp_path / "b.ts")


def test_no_sound_file_is_called_damaged_whatever_was_said_of_the_one_before(ffmpeg, tmp_path):
    sound, broken = damaged(ffmpeg, tmp_path, "h264.mp4", part=0.5)

    for _ in range(2):
        with pytest.raises(Corrupt):
            read(broken)
        assert len(read(sound).kept) == 100


def test_a_run_tells_damage_and_keeps_what_is_sound_before_it(ffmpeg, there, tmp_path):
    (tmp_path / "in").mkdir()
    _, broken = damaged(ffmpeg, tmp_path, "h264.ts", part=0.5)
    broken.rename(tmp_path / "in" / "broken.ts")

    for options, expected in (((), "failed,corrupt,"), (("--keep-partial",), "ok,corrupt,")):
        out = tmp_path / f"out{len(options)}"
        there.submit(tmp_path / "in", "--out", out, *options)

        told = there.run(
            "query", out, "select status, error_class, frames_kept from files", "--csv"
        )
        assert told.out.splitlines()[1].startswith(expected)


def test_randomly_flipped_bits_never_pass_where_they_can_be_seen(ffmpeg, tmp_path):
    """In MPEG-4, whose codes of variable length soon come to one that there is not."""
    data = made(ffmpeg, tmp_path / "a.mp4", "-c:v mpeg4 -q:v 3 -g 25 -bf 2", MOVING)
    truth = read(tmp_path / "a.mp4").kept
    begin = data.index(b"mdat") + 2000
    places = random.Random(7).sample(range(begin, len(data) - 8000), 10)
    seen = 0
    for place in places:
        (tmp_path / "b.mp4").write_bytes(with_bits_flipped(data, place))
        kept = read(tmp_path / "b.mp4", keep_partial=True)
        seen += kept.damage is not None
        differences = [
            float(np.abs(frame.astype(int) - expected).mean())
            for frame, expected in zip(kept.kept, truth, strict=False)
        ]
        assert max(differences) < 1
    assert seen >= 5
