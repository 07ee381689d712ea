"""The frames that are kept are those that were asked for, whatever the container says."""

from itertools import pairwise

import av
import pytest

from shardmill.contract.schema import Facts

MS = 1_000_000
VIDEO = Facts(kind="video")


@pytest.fixture
def clip_of(folder, steps):
    """Make a clip at 25 Hz with a keyframe every fourth frame and nowhere else."""

    def make(frames: int, name: str, codec: str, *, bf: int) -> None:
        cut = "0" if codec == "libx264" else "1000000000"
        options = {"g": "4", "bf": str(bf), "sc_threshold": cut}
        folder.video(name, steps(frames), codec=codec, rate=25, options=options)

    return make


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        pytest.param({}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], id="all"),
        pytest.param({"every": 4}, [0, 4, 8], id="every fourth"),
        pytest.param({"every": 4, "max_frames": 2}, [0, 4], id="at most two"),
        pytest.param({"fps": 12.5}, [0, 2, 4, 6, 8], id="half the rate"),
        pytest.param({"count": 2}, [2, 7], id="the middle of each half"),
        pytest.param({"start_s": 0.1, "end_s": 0.24}, [3, 4, 5], id="a range of time"),
    ],
)
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.mp4", "libx264"),
        ("clip.mkv", "libx264"),
        ("clip.avi", "mpeg4"),
        ("clip.ts", "libx264"),
        ("clip.mpg", "mpeg2video"),
    ],
)
def test_the_selection_is_kept_of_any_container(folder, clip_of, name, codec, options, kept):
    """With B-frames: the packets come in another order than the frames."""
    clip_of(10, name, codec, bf=2)

    done = folder.extract(name, facts=[VIDEO], **options)

    assert done.outcomes[0].error_message is None
    assert done.greys() == kept
    assert done.clips[0]["source_index"] == kept


@pytest.mark.parametrize(
    ("name", "codec"), [("clip.mp4", "libx264"), ("clip.avi", "mpeg4"), ("clip.mpg", "mpeg2video")]
)
def test_keyframes_are_where_the_encoder_put_them(folder, clip_of, name, codec):
    clip_of(10, name, codec, bf=0)

    done = folder.extract(name, facts=[VIDEO], keyframes=True)

    assert done.greys() == [0, 4, 8]
    assert done.clips[0]["keyframe"] == [True] * 3


def test_times_are_those_of_the_stream(folder, steps):
    """A late start and a varying rate are kept as they are, in nanoseconds."""
    folder.video("late.mkv", steps(4), pts=[700, 730, 800, 1500], rate=10)

    done = folder.extract("late.mkv")

    assert done.clips[0]["pts_ns"] == [700 * MS, 730 * MS, 800 * MS, 1500 * MS]


def test_a_rate_follows_time_and_not_the_count_of_frames(folder, steps):
    """Frames at 0, 0.1, 0.2, 1.0 and 2.0 s: one a second means these three."""
    folder.video("varying.mkv", steps(5), pts=[0, 100, 200, 1000, 2000], rate=10)

    assert folder.extract("varying.mkv", fps=1).greys() == [0, 3, 4]


@pytest.mark.parametrize("cuts_ms", [(400,), (200, 600), (250, 700), (1, 2, 3)])
def test_segments_together_are_the_whole(folder, steps, cuts_ms):
    folder.video("long.mkv", steps(10), rate=10)
    edges = [None, *(ms * MS for ms in cuts_ms), None]
    parts = [
        folder.item("long.mkv", segment=k, segments=len(edges) - 1, start_ns=start, end_ns=end)
        for k, (start, end) in enumerate(pairwise(edges))
    ]

    whole = folder.extract("long.mkv", fps=5).clips[0]["source_index"]
    done = folder.extract(*parts, fps=5)

    assert [n for clip in done.clips for n in clip["source_index"]] == whole
    assert len({clip["clip_id"] for clip in done.clips}) == 1
    assert [clip["clip_part"] for clip in done.clips] == sorted(
        {clip["clip_part"] for clip in done.clips}
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"every": 2}, {"fps": 5}, {"count": 2}, {"at": "0,0.3"}, {"max_frames": 2}],
    ids=str,
)
@pytest.mark.parametrize("range_s", [(0.2, 0.6), (0, 0.5), (0.35, None), (0.9, 7)], ids=str)
def test_a_clip_is_what_its_seconds_asked_for_alone_would_give(folder, steps, range_s, options):
    """The first frame is shown at 5 s: a clip counts from there, as --start and --end do."""
    folder.video("late.mkv", steps(10), pts=[5000 + 100 * k for k in range(10)], rate=10)
    start_s, end_s = range_s
    alone = folder.extract("late.mkv", start_s=start_s, end_s=end_s, **options)
    clip = folder.item(
        "late.mkv",
        clip_start_ns=round(start_s * 1000) * MS,
        clip_end_ns=None if end_s is None else round(end_s * 1000) * MS,
    )

    done = folder.extract(clip, **options)

    assert done.clips[0]["source_index"] == alone.clips[0]["source_index"]
    assert done.frames() == alone.frames()


def test_a_clip_is_kept_within_the_range_of_all(folder, steps):
    folder.video("plain.mkv", steps(10), rate=10)
    clip = folder.item("plain.mkv", clip_start_ns=200 * MS, clip_end_ns=600 * MS)

    assert folder.extract(clip, start_s=0.4, end_s=0.9).clips[0]["source_index"] == [4, 5]


def test_a_clip_without_a_frame_is_empty(folder, steps):
    folder.video("plain.mkv", steps(10), rate=10)
    items = [
        folder.item("plain.mkv", clip_start_ns=start, clip_end_ns=end)
        for start, end in [(10**9, 2 * 10**9), (0, 0), (110 * MS, 190 * MS)]
    ]

    for item in items:
        assert folder.extract(item).outcomes[0].error_class == "empty"


def test_a_stream_without_times_is_read_all_the_same(folder, steps):
    folder.video("raw.h264", steps(6), codec="libx264", rate=25, options={"bf": "0"})

    done = folder.extract("raw.h264", count=3)

    assert done.greys() == [1, 3, 5]


@pytest.mark.parametrize(
    ("options", "kept"),
    [({}, [0, 1, 2, 4, 5, 6, 7, 8, 9]), ({"fps": 2.5}, [0, 4, 8]), ({"every": 4}, [0, 5, 9])],
    ids=str,
)
def test_a_packet_that_shows_nothing_is_no_frame(folder, steps, options, kept):
    """VP8 may hide a picture; then the packets tell of more frames than there are."""
    folder.video("shown.webm", steps(10), codec="libvpx", options={"lag-in-frames": "0"})
    _remux(folder, "shown.webm", "hidden.webm", change=_hide_the_fourth)

    done = folder.extract("hidden.webm", **options)

    assert [round(ns / (100 * MS)) for ns in done.clips[0]["pts_ns"]] == kept


def test_packets_before_the_first_keyframe_are_passed_over(folder, steps):
    """A recording may start anywhere; FFmpeg starts where it can, and so do we."""
    options = {"lag-in-frames": "0", "g": "4", "keyint_min": "4"}
    folder.video("whole.webm", steps(10), codec="libvpx", options=options)
    _remux(folder, "whole.webm", "late.webm", change=lambda k, packet: [packet][: k > 0])

    assert folder.extract("late.webm", facts=[VIDEO]).greys() == [4, 5, 6, 7, 8, 9]


def test_a_frame_twice_at_one_time_is_two_frames(folder, steps):
    folder.video("plain.mkv", steps(4), codec="mjpeg", pix_fmt="yuvj420p")
    _remux(folder, "plain.mkv", "twice.mkv", change=lambda k, packet: [packet] * (1 + (k == 2)))

    done = folder.extract("twice.mkv")

    assert done.greys() == [0, 1, 2, 2, 3]
    assert done.clips[0]["pts_ns"] == [0, 100 * MS, 200 * MS, 200 * MS + 1, 300 * MS]


def _hide_the_fourth(index: int, packet: av.Packet) -> list[av.Packet]:
    if index != 3:
        return [packet]
    data = bytearray(packet)
    data[0] &= ~0x10  # RFC 6386, 9.1: show_frame
    hidden = av.Packet(bytes(data))
    hidden.pts, hidden.dts, hidden.time_base = packet.pts, packet.dts, packet.time_base
    return [hidden]


def _remux(folder, source_name: str, target_name: str, change) -> None:
    """Copy the packets of a video; ``change`` says what becomes of each."""
    with (
        av.open(str(folder.root / source_name)) as source,
        av.open(str(folder.root / target_name), "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        for index, packet in enumerate(packets):
            for changed in change(index, packet):
                changed.stream = stream
                target.mux(changed)


def test_a_range_behind_the_end_is_empty_and_says_how_long_the_clip_is(folder, steps):
    folder.video("short.mkv", steps(5), rate=10)

    outcome = folder.extract("short.mkv", start_s=3).outcomes[0]

    assert (outcome.status, outcome.error_class) == ("failed", "empty")
    assert "5 frames in 0.500 s" in outcome.error_message


def test_every_decoded_frame_is_a_sign_of_life(folder, steps):
    folder.video("clip.mkv", steps(7), rate=10)

    done = folder.extract("clip.mkv", every=3)

    assert done.advances == done.outcomes[0].frames_decoded == 7
    assert done.outcomes[0].frames_kept == 3
