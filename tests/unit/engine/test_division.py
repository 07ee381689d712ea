"""A video that is much work is cut into parts that keep many frames each, and all of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shardmill.contract.options.timeline import Timeline
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.engine.division import LEAST_KEPT, MAX_PARTS, cut, items_of, parts_wanted

FRAME_NS = 40_000_000
FIRST_NS = 7_000_000_000
ITEM = Item(path="long.mp4", size_bytes=10**9, mtime_ns=1, label="a", label_id=3)


def million_pixels(seconds: float, fps: float = 25.0) -> Facts:
    """2.1 ms a frame to decode, 6 ms to store at source size, 126,500 bytes as JPEG."""
    return Facts(kind="video", display_width=1000, display_height=1000, fps=fps, duration_s=seconds)


def timeline(frames: int, every: int = 50) -> Timeline:
    pts_ns = FIRST_NS + np.arange(frames, dtype=np.int64) * FRAME_NS
    keyframe = np.arange(frames) % every == 0
    return Timeline(pts_ns=pts_ns, keyframe=keyframe, end_ns=int(pts_ns[-1]) + FRAME_NS)


@pytest.mark.parametrize(
    ("seconds", "options", "parts"),
    [
        pytest.param(60, {"size": "100x100"}, 1, id="a minute: 3 s of work"),
        pytest.param(7200, {"size": "100x100"}, 20, id="two hours: 388.8 s, shared by four"),
        pytest.param(7200, {"size": "100x100", "fps": 1.0}, 20, id="7200 frames: 378.4 s"),
        pytest.param(7200, {"size": "100x100", "every": 180}, 3, id="1000 frames are three times"),
        pytest.param(7200, {"size": "100x100", "max_frames": 300}, 1, id="300 frames are no two"),
        pytest.param(7200, {}, 92, id="23 GB of frames are 89 times 256 MB, shared by four"),
        pytest.param(72_000, {}, MAX_PARTS, id="twenty hours: never more than so many"),
    ],
)
def test_a_part_is_twenty_seconds_of_work_and_keeps_many_frames(seconds, options, parts):
    assert parts_wanted(ITEM, million_pixels(seconds), Spec(**options)) == parts


OPTIONS = st.one_of(
    st.just({}),
    st.builds(lambda n: {"every": n}, st.integers(1, 9)),
    st.builds(lambda f: {"fps": f}, st.floats(0.5, 60)),
    st.just({"keyframes": True}),
)
LIMITS = st.builds(
    lambda start, length, most: {"start_s": start, "end_s": start + length, "max_frames": most},
    st.floats(0, 200),
    st.floats(1, 900),
    st.none() | st.integers(1, 20_000),
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 20_000), st.integers(1, 400), OPTIONS, LIMITS | st.just({}))
def test_the_parts_together_keep_what_the_whole_keeps(frames, every, options, limits):
    times = timeline(frames, every)
    spec = Spec(**options, **limits)
    chosen_ns = times.pts_ns[times.choose(spec.selection)]

    parts = cut(ITEM, million_pixels(frames / 25), spec, times)

    assert [part.segment for part in parts] == list(range(len(parts)))
    assert {part.segments for part in parts} == {len(parts)}
    assert (parts[0].start_ns, parts[-1].end_ns) == (None, None)
    assert all(before.end_ns == after.start_ns for before, after in pairwise(parts))
    inner = [part.start_ns for part in parts[1:]]
    assert set(inner) <= set(times.pts_ns[times.keyframe].tolist())
    if len(parts) > 1:
        kept = np.diff([0, *np.searchsorted(chosen_ns, inner), chosen_ns.size])
        assert kept.min() >= LEAST_KEPT
        assert kept.sum() == chosen_ns.size


def test_a_last_part_of_few_frames_is_not_cut_off():
    """The one keyframe besides the first is a hundred frames before the end."""
    assert cut(ITEM, million_pixels(800), Spec(), timeline(20_000, every=19_900)) == (ITEM,)


def test_parts_are_of_about_equal_work():
    parts = cut(ITEM, million_pixels(800), Spec(), timeline(20_000))

    edges_ns = [FIRST_NS, *(p.start_ns for p in parts[1:]), FIRST_NS + 20_000 * FRAME_NS]
    frames = np.diff(edges_ns) // FRAME_NS
    assert len(parts) == 12  # 20,000 frames of 126,500 bytes, shared by four
    assert frames.max() - frames.min() <= 100


@pytest.mark.parametrize(
    ("item", "facts", "options"),
    [
        pytest.param({}, {}, {"count": 16}, id="frames spread over all of it"),
        pytest.param({}, {}, {"at": "1,2"}, id="given times"),
        pytest.param({}, {"kind": "image"}, {}, id="a picture"),
        pytest.param({"clip_start_ns": 0}, {}, {}, id="a clip"),
        pytest.param({"clip_end_ns": 10**9}, {}, {}, id="a clip from the beginning"),
        pytest.param({"segments": 2}, {}, {}, id="a part"),
    ],
)
def test_what_may_not_be_cut_is_not_even_opened(item, facts, options):
    whole = replace(ITEM, **item)
    known = replace(million_pixels(7200), **facts)

    assert items_of("/nowhere", whole, known, Spec(**options), lambda: None) == (whole,)


def test_a_file_that_turns_out_unreadable_stays_whole(folder):
    name = folder.write("noise.mp4", bytes(1000))
    whole = folder.item(name, size_bytes=10**9)

    assert items_of(str(folder.root), whole, million_pixels(7200), Spec(), lambda: None) == (whole,)
