"""What a reading that skips must not miss: where pictures begin, and what changes on the way."""

import subprocess

import numpy as np
import pytest

import made_streams
from correctness.ways import item_of, read_ways
from made_streams import FRAMES, X264, made, started_late
from shardmill.contract.errors import Empty
from shardmill.contract.options.sampling import (
    EveryFrame,
    GivenTimes,
    KeyframesOnly,
    Selection,
    UniformCount,
)
from shardmill_worker.engine.gathering import Keep
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.pixels import PixelReader
from shardmill_worker.engine.video import VideoReader

pytestmark = pytest.mark.needs_ffmpeg

NUMBERED = (
    "nullsrc=size=128x64:rate=25:duration=6,geq=lum="
    "'if(lt(Y,48),if(mod(floor(N/pow(2,floor(X/16))),2),235,16),mod(X*7+Y*13+N*29,200)+20)':cb=128:cr=128"
)
"""Each picture bears its number in eight bars, the lowest bit to the left."""


class Numbers(Keep[int]):
    """Keeps the numbers that pictures bear."""

    def begin(self) -> None:
        pass

    def __call__(self, media, frame) -> int:
        luma = PixelReader().read(frame.picture).planes[0].reshape(64, 128, -1)[..., 0]
        bars = luma[8:40].reshape(32, 8, 16)[:, :, 4:12].mean(axis=(0, 2)) > 128
        return int(np.packbits(bars, bitorder="little")[0])


def numbers(root, name: str, selection: Selection) -> list[int]:
    root, item = str(root), item_of(str(root), name)
    reader = VideoReader(
        reopen=lambda: open_media(root, item), selection=selection, advance=lambda: None
    )
    return reader.read(item, Numbers()).kept


@pytest.mark.parametrize(
    ("options", "eighths"),
    [
        pytest.param("-c:v libx264 -g 50 -bf 3", 1, id="H.264"),
        pytest.param("-c:v libx264 -g 50 -bf 3 -x264-params open-gop=1", 2, id="open groups"),
        pytest.param("-c:v libx264 -g 50 -x264-params intra-refresh=1", 3, id="refresh"),
        pytest.param("-c:v libx265 -x265-params log-level=0:keyint=50:open-gop=0", 3, id="H.265"),
        pytest.param("-c:v libx265 -x265-params log-level=0:keyint=50:open-gop=1", 2, id="CRA"),
        pytest.param("-c:v mpeg2video -g 25 -bf 2 -q:v 2", 3, id="MPEG-2"),
        pytest.param("-c:v mpeg4 -g 25 -bf 2 -q:v 2", 3, id="MPEG-4"),
    ],
)
def test_times_count_from_the_first_frame_that_can_be_decoded(ffmpeg, tmp_path, options, eighths):
    """A recording that starts between keyframes begins with packets of which nothing comes."""
    whole = made(ffmpeg, tmp_path / "whole.ts", options, NUMBERED)
    (tmp_path / "late.ts").write_bytes(started_late(whole, eighths=eighths))

    every = numbers(tmp_path, "late.ts", Selection(policy=EveryFrame()))

    def frames(policy, **limits) -> list[int]:
        return numbers(tmp_path, "late.ts", Selection(policy=policy, **limits))

    step_ns = 40_000_000
    assert 25 < len(every) < 150
    assert every == list(range(every[0], every[0] + len(every)))
    assert frames(GivenTimes(times_ns=(15 * step_ns,))) == [every[15]]
    assert frames(GivenTimes(times_ns=(0, 15 * step_ns))) == [every[0], every[15]]
    assert frames(EveryFrame(), start_ns=10 * step_ns, end_ns=15 * step_ns) == every[10:15]
    assert frames(UniformCount(count=3)) == [every[(2 * k + 1) * len(every) // 6] for k in range(3)]
    assert read_ways(str(tmp_path), "late.ts").differences == []


@pytest.mark.parametrize(
    ("make", "frames"),
    [
        (made_streams.joined_flv, 2 * FRAMES),
        (made_streams.joined_mkv, 2 * FRAMES),
        (made_streams.joined_mp4, 2 * FRAMES),
        (made_streams.tables_first_avi, FRAMES),
    ],
)
def test_what_changes_on_the_way_is_not_skipped(ffmpeg, tmp_path, make, frames):
    path = make(ffmpeg, tmp_path)

    read = read_ways(str(tmp_path), path.name)

    assert read.frames == frames
    assert read.differences == []


def test_a_stream_of_negative_times_ends_with_its_last_frame(ffmpeg, tmp_path):
    """A transport stream's clock of 33 bits wraps after 26 hours and a half."""
    made(ffmpeg, tmp_path / "plain.ts", "-c:v mpeg2video", NUMBERED)
    made(ffmpeg, tmp_path / "wraps.ts", "-c:v mpeg2video -output_ts_offset 95420", NUMBERED)
    four = Selection(policy=UniformCount(count=4))

    assert numbers(tmp_path, "wraps.ts", four) == numbers(tmp_path, "plain.ts", four)


def test_a_file_stands_upright_whichever_frames_are_chosen(ffmpeg, there, tmp_path):
    """An encoder tells the turn with the first picture alone."""
    (tmp_path / "in").mkdir()
    turn = "-bsf:v h264_metadata=display_orientation=insert:rotate=90"
    made(ffmpeg, tmp_path / "in" / "turned.mp4", f"{X264} {turn}")
    out = str(tmp_path / "out")

    there.submit(str(tmp_path / "in"), "--out", out, "--at", "1.5,3.5")

    told = there.run("query", out, "select width, height from clips", "--csv")
    assert told.out.split() == ["width,height", "120,160"]


def test_a_container_says_which_frame_is_a_keyframe_where_the_decoder_does_not(ffmpeg, tmp_path):
    """ffprobe 5.1 calls the first frame of each one."""
    made(ffmpeg, tmp_path / "rle.mov", "-c:v qtrle -g 60", NUMBERED)
    made(ffmpeg, tmp_path / "svq1.mov", "-c:v svq1 -g 60", NUMBERED)
    keyframes = Selection(policy=KeyframesOnly())

    assert numbers(tmp_path, "rle.mov", keyframes) == [0, 60, 120]
    assert len(numbers(tmp_path, "svq1.mov", keyframes)) == 3


def test_a_video_whose_keyframe_is_hidden_has_none_on_show(ffmpeg, tmp_path):
    made(ffmpeg, tmp_path / "whole.mp4", "-c:v libx264 -g 250 -bf 0 -sc_threshold 0", NUMBERED)
    cut = ["-ss", "0.5", "-i", str(tmp_path / "whole.mp4"), "-c", "copy", str(tmp_path / "cut.mp4")]
    subprocess.run([ffmpeg, "-v", "error", *cut], check=True)

    with pytest.raises(Empty, match="No frame on show is a keyframe: the video has"):
        numbers(tmp_path, "cut.mp4", Selection(policy=KeyframesOnly()))
