"""Clips of a length: each as if it had been asked for alone, all of a video in one pass."""

import numpy as np
import pytest

from shardmill.contract.errors import TooLarge
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.contract.options.timeline import Timeline
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine import gathering
from shardmill_worker.engine.division import clips, items_of

VIDEO = Facts(kind="video", fps=10.0)
MS = 1_000_000
ITEM = Item(path="a.mp4", size_bytes=10**6, mtime_ns=1, label="a")


def at(*starts_ms: int, end_ms: int) -> Timeline:
    """Frames that begin at these times after 5 s, the first alone a keyframe."""
    pts_ns = np.array(starts_ms, dtype=np.int64) * MS + 5 * NS_PER_S
    keyframe = np.arange(pts_ns.size) == 0
    return Timeline(pts_ns=pts_ns, keyframe=keyframe, end_ns=end_ms * MS + 5 * NS_PER_S)


EVEN = at(*range(0, 1000, 100), end_ms=1000)


@pytest.mark.parametrize(
    ("timeline", "options", "starts_ms"),
    [
        pytest.param(EVEN, {"clip_s": 0.5}, [0, 500], id="no rest"),
        pytest.param(EVEN, {"clip_s": 0.4}, [0, 400, 800], id="the last one is shorter"),
        pytest.param(EVEN, {"clip_s": 5}, [0], id="longer than the video"),
        pytest.param(EVEN, {"clip_s": 0.95}, [0], id="a rest that holds no frame"),
        pytest.param(
            EVEN, {"clip_s": 0.4, "clip_stride_s": 0.2}, [0, 200, 400, 600, 800], id="overlapping"
        ),
        pytest.param(EVEN, {"clip_s": 0.2, "clip_stride_s": 0.5}, [0, 500], id="with gaps"),
        pytest.param(EVEN, {"clip_s": 0.05, "clip_stride_s": 0.25}, [0, 500], id="between frames"),
        pytest.param(
            EVEN, {"clip_s": 0.3, "start_s": 0.2, "end_s": 0.7}, [200, 500], id="within a range"
        ),
        pytest.param(EVEN, {"clip_s": 0.3, "at": "0.15"}, [0, 300, 600], id="at a time of each"),
        pytest.param(EVEN, {"clip_s": 0.3, "keyframes": True}, [0], id="where there are keyframes"),
        pytest.param(
            at(0, 100, 90_000_000, end_ms=90_000_100),
            {"clip_s": 1, "clip_stride_s": 0.5},
            [0, 89_999_500, 90_000_000],
            id="a day without a frame",
        ),
    ],
)
def test_a_clip_begins_each_stride_and_holds_a_frame(timeline, options, starts_ms):
    items = clips(ITEM, Spec(**options), timeline)

    assert [item.clip_start_ns // MS for item in items] == starts_ms
    lengths_ns = {item.clip_end_ns - item.clip_start_ns for item in items}
    assert lengths_ns == {round(options["clip_s"] * NS_PER_S)}
    assert [item.segment for item in items] == list(range(len(items)))
    assert {(item.segments, item.label) for item in items} == {(len(items), "a")}


def test_a_range_without_a_frame_leaves_the_file_to_fail_by_itself():
    assert clips(ITEM, Spec(clip_s=1, start_s=5), EVEN) == (ITEM,)


def test_clips_behind_the_end_of_the_range_do_not_count():
    """By hand: 100 clips of a tenth of a second in the first ten seconds of twenty minutes."""
    long = at(*range(0, 1_200_000, 100), end_ms=1_200_000)

    items = clips(ITEM, Spec(clip_s=0.1, start_s=2, end_s=12), long)

    assert [item.clip_start_ns // MS for item in items] == list(range(2_000, 12_000, 100))


@pytest.mark.parametrize("options", [{"clip_s": 0.001}, {"clip_s": 20, "clip_stride_s": 0.001}])
def test_more_clips_than_ten_thousand_are_refused(options):
    long = at(*range(0, 20_002, 1), end_ms=20_002)

    with pytest.raises(TooLarge, match="more than 10,000 clips: give a longer --clip-seconds"):
        clips(ITEM, Spec(**options), long)


def test_a_picture_stays_one_item(folder):
    picture = Facts(kind="image")

    assert items_of("/nowhere", ITEM, picture, Spec(clip_s=1), lambda: None) == (ITEM,)


def test_the_end_is_that_of_the_frames_and_not_of_the_header(folder, steps):
    """Ten frames of 100 ms, whatever the facts claim."""
    name = folder.video("a.mkv", steps(10), rate=10)
    liar = Facts(kind="video", fps=10.0, duration_s=3600.0, frames_header=36_000)

    items = items_of(str(folder.root), folder.item(name), liar, Spec(clip_s=0.3), lambda: None)

    assert [item.clip_start_ns // MS for item in items] == [0, 300, 600, 900]


def test_frames_without_times_are_decoded_to_know_the_end(folder, steps):
    name = folder.video("raw.h264", steps(10), codec="libx264", rate=25, options={"bf": "0"})

    items = items_of(str(folder.root), folder.item(name), VIDEO, Spec(clip_s=0.2), lambda: None)

    assert [item.clip_start_ns // MS for item in items] == [0, 200]


WAYS = {
    "h264.mp4": {"codec": "libx264", "options": {"g": "4", "bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "5"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "5"}},
    "raw.h264": {"codec": "libx264", "options": {"g": "5", "bf": "0"}},
}
RANGES_MS = {
    "one after the other": [(0, 200), (200, 400), (400, 600), (600, 900)],
    "overlapping": [(0, 240), (80, 320), (160, 400), (240, 480)],
    "with gaps": [(40, 80), (200, 280), (600, 700)],
    "one within the other": [(0, 800), (40, 80), (120, 400), (160, 200)],
    "in any order": [(400, 480), (0, 120), (400, 480), (200, 720)],
}


@pytest.mark.parametrize("options", [{}, {"every": 2}, {"count": 2}, {"fps": 12.5}], ids=str)
@pytest.mark.parametrize("ranges_ms", RANGES_MS.values(), ids=RANGES_MS)
@pytest.mark.parametrize("name", WAYS)
def test_clips_of_one_pass_are_those_of_a_pass_each(folder, steps, name, ranges_ms, options):
    folder.video(name, steps(23), rate=25, **WAYS[name])
    items = [
        folder.item(
            name,
            segment=k,
            segments=len(ranges_ms),
            clip_start_ns=start * MS,
            clip_end_ns=end * MS,
        )
        for k, (start, end) in enumerate(ranges_ms)
    ]

    done = folder.extract(*items, facts=[VIDEO] * len(items), **options)

    assert {outcome.error_message for outcome in done.outcomes} == {None}
    found = done.clips
    for number, (start, end) in enumerate(ranges_ms):
        alone = folder.extract(
            name, facts=[VIDEO], start_s=start / 1000, end_s=end / 1000, **options
        )
        assert found[number]["source_index"] == alone.clips[0]["source_index"]
        assert found[number]["pts_ns"] == alone.clips[0]["pts_ns"]
        assert found[number]["clip_id"] == done.outcomes[number].clip_id
    assert sum(outcome.frames_decoded for outcome in done.outcomes) <= 23, "none twice"


def test_a_clip_without_a_frame_fails_among_the_others(folder, steps):
    name = folder.video("a.mkv", steps(10), rate=10)
    ranges_ms = [(0, 300), (110, 190), (500, 800), (5000, 6000)]
    items = [
        folder.item(name, segment=k, segments=4, clip_start_ns=a * MS, clip_end_ns=b * MS)
        for k, (a, b) in enumerate(ranges_ms)
    ]

    done = folder.extract(*items)

    assert [outcome.error_class for outcome in done.outcomes] == [None, "empty", None, "empty"]
    assert [clip["source_index"] for clip in done.clips] == [[0, 1, 2], [5, 6, 7]]


def test_all_clips_of_a_file_that_cannot_be_read_fail(folder):
    folder.write("noise.mp4", bytes(1000))
    items = [
        folder.item("noise.mp4", segment=k, segments=2, clip_start_ns=k, clip_end_ns=k + 1)
        for k in range(2)
    ]

    done = folder.extract(*items, facts=[VIDEO] * len(items))

    assert [outcome.status for outcome in done.outcomes] == ["failed", "failed"]
    assert len({outcome.error_message for outcome in done.outcomes}) == 1


def test_what_is_held_of_later_clips_is_bounded(folder, steps, monkeypatch):
    """A long clip, and many within it: they come in further passes, each frame right."""
    monkeypatch.setattr(gathering, "HELD_BYTES", 4000)
    name = folder.video("a.mkv", steps(20), rate=10)
    ranges_ms = [(0, 2000), *((100 * k, 100 * k + 500) for k in range(12))]
    items = [
        folder.item(name, segment=k, segments=13, clip_start_ns=a * MS, clip_end_ns=b * MS)
        for k, (a, b) in enumerate(ranges_ms)
    ]

    done = folder.extract(*items)

    assert [clip["source_index"] for clip in done.clips] == [
        list(range(20)),
        *(list(range(k, k + 5)) for k in range(12)),
    ]
    assert sum(outcome.frames_decoded for outcome in done.outcomes) > 20, "in several passes"
