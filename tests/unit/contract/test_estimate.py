"""What an item takes is foreseen: frames, seconds and bytes, priced by hand."""

import pytest

from shardmill.contract.estimate import estimate
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec

HD = Facts(
    kind="video",
    display_width=1280,
    display_height=720,
    fps=25.0,
    duration_s=8.0,
    frames_header=200,
)
STILL = Facts(kind="image", display_width=1000, display_height=500)


def file(size_bytes: int = 1_000_000) -> Item:
    return Item(path="1.mp4", size_bytes=size_bytes, mtime_ns=1)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        pytest.param({}, 200, id="every frame"),
        pytest.param({"every": 3}, 67, id="one in three"),
        pytest.param({"fps": 2.0}, 16, id="two a second"),
        pytest.param({"fps": 100.0}, 200, id="a faster clock invents none"),
        pytest.param({"count": 10}, 10, id="ten spread evenly"),
        pytest.param({"count": 1000}, 200, id="no more than there are"),
        pytest.param({"keyframes": True}, 17, id="a keyframe every twelve"),
        pytest.param({"max_frames": 7}, 7, id="at most seven"),
        pytest.param({"start_s": 2.0, "end_s": 4.0}, 50, id="a quarter"),
        pytest.param({"start_s": 6.0, "end_s": 99.0}, 50, id="an end behind the end"),
        pytest.param({"start_s": 9.0}, 1, id="a start behind the end counts as one"),
        pytest.param({"start_s": 4.0, "fps": 2.0, "max_frames": 5}, 5, id="all of them together"),
    ],
)
def test_the_frames_to_keep_are_foreseen(options, kept):
    foreseen = estimate(file(), HD, Spec(**options))

    assert (foreseen.frames, foreseen.frames_kept) == (200, kept)


def test_a_clip_costs_its_decoding_and_its_storing():
    """200 frames of 921,600 pixels at 2.1 ns, 16 of 160x120 at 6 ns, 3 ms to open."""
    foreseen = estimate(file(), HD, Spec(size="160x120", fps=2.0))

    assert foreseen.cost_s == pytest.approx(0.003 + 0.387072 + 0.0018432)
    assert foreseen.bytes_out == 16 * (500 + 7296)
    assert foreseen.cost_us == 391_915
    assert foreseen.frame_pixels == 160 * 120


@pytest.mark.parametrize(
    ("encoding", "bytes_out"),
    [("jpeg", 500 + 76_500), ("png", 500 + 900_000), ("raw", 500 + 1_500_000)],
)
def test_a_picture_is_one_frame(encoding, bytes_out):
    foreseen = estimate(file(), STILL, Spec(encoding=encoding))

    assert (foreseen.frames, foreseen.frames_kept) == (1, 1)
    assert foreseen.bytes_out == bytes_out
    assert foreseen.cost_s == pytest.approx(0.003 + 500_000 * 8.1e-9)


@pytest.mark.parametrize(
    ("size", "quality", "measured"),
    [
        pytest.param("160x120", 50, 0.129),
        pytest.param("160x120", 75, 0.178),
        pytest.param("160x120", 95, 0.378),
        pytest.param("160x120", 100, 0.683),
        pytest.param("320x240", 75, 0.118),
        pytest.param("320x240", 95, 0.262),
        pytest.param("640x360", 75, 0.081),
        pytest.param("640x360", 95, 0.184),
        pytest.param("640x360", 100, 0.355),
    ],
)
def test_the_bytes_of_jpeg_follow_its_size_and_quality(size, quality, measured):
    """Measured are bytes by pixel, without headers, of 44 to 139 frames of clips by many hands."""
    foreseen = estimate(file(), HD, Spec(size=size, quality=quality))
    pixels = foreseen.frame_pixels

    assert foreseen.bytes_out / 200 == pytest.approx(500 + measured * pixels, rel=0.15)


@pytest.mark.parametrize(
    ("facts", "frames"),
    [
        pytest.param(Facts(kind="video"), 30, id="nothing known: a second at 30"),
        pytest.param(Facts(kind="video", duration_s=2.0), 60, id="no rate"),
        pytest.param(Facts(kind="video", fps=10.0), 10, id="no duration"),
        pytest.param(
            Facts(kind="video", duration_s=10.0, fps=10.0, frames_header=7),
            7,
            id="the smaller claim counts: header",
        ),
        pytest.param(
            Facts(kind="video", duration_s=1.0, fps=10.0, frames_header=10**9),
            10,
            id="the smaller claim counts: rate",
        ),
        pytest.param(Facts(kind="video", duration_s=0.001, fps=10.0), 1, id="never none"),
        pytest.param(Facts(), 1, id="not even the kind"),
    ],
)
def test_what_is_not_known_is_guessed_small(facts, frames):
    assert estimate(file(), facts, Spec()).frames == frames


def test_no_file_holds_more_frames_than_bytes():
    """A header may claim years: the plan and the progress of a whole job would follow it."""
    liar = Facts(kind="video", duration_s=1e9, fps=240.0, frames_header=2**31)

    assert estimate(file(700), liar, Spec()).frames == 700


@pytest.mark.parametrize(
    ("options", "clips", "kept"),
    [
        pytest.param({"clip_s": 2.0}, 4, 200, id="four of fifty frames"),
        pytest.param({"clip_s": 3.0}, 3, 200, id="the last one is shorter"),
        pytest.param({"clip_s": 99.0}, 1, 200, id="shorter than a clip"),
        pytest.param({"clip_s": 2.0, "clip_stride_s": 1.0}, 8, 375, id="seven whole, one half"),
        pytest.param({"clip_s": 2.0, "clip_stride_s": 4.0}, 2, 100, id="half is left out"),
        pytest.param({"clip_s": 2.0, "count": 5}, 4, 20, id="five of each"),
        pytest.param({"clip_s": 2.0, "max_frames": 7}, 4, 28, id="seven of each"),
        pytest.param({"clip_s": 2.0, "start_s": 4.0}, 2, 100, id="of the second half"),
    ],
)
def test_clips_of_a_length_are_foreseen(options, clips, kept):
    """Eight seconds of 25 frames."""
    foreseen = estimate(file(), HD, Spec(**options))

    assert (foreseen.frames, foreseen.clips, foreseen.frames_kept) == (200, clips, kept)


def test_a_header_that_claims_years_plans_no_endless_list_of_clips():
    liar = Facts(kind="video", duration_s=1e9, fps=240.0, frames_header=2**31)

    assert estimate(file(), liar, Spec(clip_s=0.001)).clips == 10_000


def test_an_item_takes_its_share_of_the_file():
    """A clip of the last of eight seconds, a part of four."""
    clip = Item(
        path="1.mp4", size_bytes=10**6, mtime_ns=1, clip_start_ns=7 * 10**9, clip_end_ns=9 * 10**9
    )
    part = Item(path="1.mp4", size_bytes=10**6, mtime_ns=1, segment=1, segments=4, start_ns=5)

    assert (estimate(clip, HD, Spec()).frames, estimate(clip, HD, Spec()).frames_kept) == (25, 25)
    assert estimate(part, HD, Spec(every=2)).frames == 50
    assert estimate(part, HD, Spec(every=2)).frames_kept == 25
