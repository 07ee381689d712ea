"""Policies keep the right frames of a timeline, and say why when they cannot."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from shardmill.contract.errors import InvalidMedia, InvalidSpec
from shardmill.contract.options.sampling import (
    NS_PER_S,
    RATE_LIMITS_HZ,
    EveryFrame,
    EveryNth,
    FixedRate,
    GivenTimes,
    KeyframesOnly,
    Selection,
    UniformCount,
)
from shardmill.contract.options.timeline import Timeline

MS = 1_000_000


def at(*starts: int, end: int, keyframes: tuple[int, ...] = (0,)) -> Timeline:
    """Frames that start at these times, ns."""
    flags = np.isin(np.arange(len(starts)), keyframes)
    return Timeline(pts_ns=np.array(starts, dtype=np.int64), keyframe=flags, end_ns=end)


def clock(n: int, fps: float, *, late_ns: int = 0, keyframes: tuple[int, ...] = (0,)) -> Timeline:
    """``n`` frames at a constant rate, the first at ``late_ns``."""
    edges_ns = late_ns + np.rint(np.arange(n + 1) * NS_PER_S / fps).astype(np.int64)
    return at(*edges_ns[:-1].tolist(), end=int(edges_ns[-1]), keyframes=keyframes)


@pytest.mark.parametrize(
    ("n", "fps", "rate_hz", "kept"),
    [
        pytest.param(6, 30, 30, [0, 1, 2, 3, 4, 5], id="same rate keeps every frame"),
        pytest.param(6, 30, 10, [0, 3], id="one in three"),
        pytest.param(5, 30, 20, [0, 1, 3, 4], id="halfway tick takes the earlier frame"),
        pytest.param(3, 30, 90, [0, 1, 2], id="faster than the video repeats nothing"),
        pytest.param(3, 30, 0.1, [0], id="slower than the video still keeps the first"),
        pytest.param(61, 30000 / 1001, 30000 / 30030, [0, 30, 60], id="NTSC does not drift"),
        pytest.param(6, 25, 24, [0, 1, 2, 3, 4, 5], id="a little slower: no frame twice"),
        pytest.param(1, 30, 1, [0], id="a single frame"),
        pytest.param(600, 60, 30, list(range(0, 600, 2)), id="no tick slips in at the very end"),
        pytest.param(6000, 60, 12, list(range(0, 6000, 5)), id="nor after many"),
    ],
)
def test_fixed_rate_keeps_the_frame_nearest_to_each_tick(n, fps, rate_hz, kept):
    assert clock(n, fps).select(FixedRate(rate_hz=rate_hz)).tolist() == kept


@pytest.mark.parametrize(
    ("rate_hz", "kept"),
    [
        pytest.param(1, [0, 2], id="a tick on a frame"),
        pytest.param(2, [0, 1, 2], id="500 ms is nearer to 10 than to 1000"),
        pytest.param(1.9, [0, 2], id="526 ms is nearer to 1000 than to 10"),
    ],
)
def test_fixed_rate_goes_by_time_where_the_rate_varies(rate_hz, kept):
    timeline = at(0, 10 * MS, 1000 * MS, end=2000 * MS)

    assert timeline.select(FixedRate(rate_hz=rate_hz)).tolist() == kept


def test_the_clock_starts_with_the_first_frame_not_at_zero():
    """A trimmed stream that starts off the beat is sampled like one that starts at 0."""
    late_ns = 7 * NS_PER_S + 50 * MS  # half a tick off the 10 Hz grid

    assert clock(6, 30, late_ns=late_ns).select(FixedRate(rate_hz=10)).tolist() == [0, 3]


def test_a_stream_that_starts_before_zero_is_sampled_alike():
    assert clock(6, 30, late_ns=-33 * MS).select(FixedRate(rate_hz=10)).tolist() == [0, 3]


@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=12),
    rate_hz=st.sampled_from([1e4, 4e4, 1e5, 5e5]),
)
def test_fixed_rate_agrees_with_looking_at_every_frame_for_every_tick(gaps, rate_hz):
    """The definition, tick by tick, on times of a few microseconds."""
    edges = (1000 * np.cumsum([0, *gaps])).tolist()
    policy = FixedRate(rate_hz=1)
    force_setattr(policy, "rate_hz", rate_hz)
    wanted = {
        min(range(len(gaps)), key=lambda i, tick=tick: (abs(edges[i] - tick), i))
        for tick in range(0, edges[-1], round(NS_PER_S / rate_hz))
    }

    assert at(*edges[:-1], end=edges[-1]).select(policy).tolist() == sorted(wanted)


@pytest.mark.parametrize("late_ns", [0, 7])
@pytest.mark.parametrize(
    ("fps", "rate_hz"),
    [
        *(
            (fps, rate)
            for fps in (15, 24, 30, 60, 90, 120)
            for rate in (4, 6, 8, 10, 12, 16, 20, 48)
        ),
        (Fraction(30000, 1001), Fraction(20000, 1001)),
        (25, 10),
        (50, 20),
    ],
)
def test_a_tick_halfway_takes_the_earlier_frame_at_every_rate(fps, rate_hz, late_ns):
    """The definition in exact fractions, on times that are rounded down as a stream's are."""
    exact_s = [Fraction(n) / fps for n in range(300)]
    times_ns = [late_ns + int(time_s * NS_PER_S) for time_s in exact_s]
    end_ns = late_ns + int(NS_PER_S * Fraction(300) / fps)
    ticks_s = [Fraction(k) / rate_hz for k in range(ceil(Fraction(300) * rate_hz / fps))]
    wanted = {
        min((abs(exact_s[i] - tick_s), i) for i in near(tick_s, fps, len(exact_s)))[1]
        for tick_s in ticks_s
    }

    kept = at(*times_ns, end=end_ns).select(FixedRate(rate_hz=float(rate_hz)))

    assert kept.tolist() == sorted(wanted)


def near(tick_s: Fraction, fps: Fraction | int, count: int) -> range:
    at_hand = int(tick_s * fps)
    return range(max(0, at_hand - 1), min(count, at_hand + 3))


@pytest.mark.parametrize("rate_hz", [0, -1, 1001, float("nan"), float("inf")])
def test_rejects_an_impossible_rate(rate_hz):
    with pytest.raises(InvalidSpec, match=r"fps must be in \[1e-06, 1000.0\], got"):
        FixedRate(rate_hz=rate_hz)


@pytest.mark.parametrize("rate_hz", RATE_LIMITS_HZ)
def test_accepts_the_limits_themselves(rate_hz):
    assert at(0, end=5).select(FixedRate(rate_hz=rate_hz)).tolist() == [0]


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        pytest.param(1, [5], id="one: the frame on show in the middle"),
        pytest.param(2, [2, 7], id="two: at a quarter and three quarters"),
        pytest.param(3, [1, 5, 8], id="three: at a sixth, a half, five sixths"),
        pytest.param(4, [1, 3, 6, 8], id="four"),
        pytest.param(10, list(range(10)), id="as many as there are"),
        pytest.param(25, list(range(10)), id="more than there are keeps each once"),
    ],
)
def test_uniform_count_keeps_the_frame_in_the_middle_of_each_part(count, kept):
    assert clock(10, 10).select(UniformCount(count=count)).tolist() == kept


def test_uniform_count_goes_by_time_not_by_number():
    """A frame that is on show for nine tenths of the clip is in the middle of both halves."""
    assert at(0, 900, end=1000).select(UniformCount(count=2)).tolist() == [0]


def test_uniform_count_is_the_same_for_a_late_stream():
    late = clock(10, 10, late_ns=123_456_789)

    assert late.select(UniformCount(count=3)).tolist() == [1, 5, 8]


@pytest.mark.parametrize(
    ("step", "kept"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (4, [0, 4]), (5, [0]), (99, [0])]
)
def test_every_nth_begins_with_the_first(step, kept):
    assert clock(5, 30).select(EveryNth(step=step)).tolist() == kept


def test_every_frame_keeps_all_and_keyframes_those_alone():
    timeline = clock(5, 30, keyframes=(0, 3))

    assert timeline.select(EveryFrame()).tolist() == [0, 1, 2, 3, 4]
    assert timeline.select(KeyframesOnly()).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("times_ms", "kept"),
    [
        pytest.param([0, 90, 100, 299], [0, 1, 2], id="the frame on show at each"),
        pytest.param([250, 50], [0, 2], id="in any order"),
        pytest.param([110, 120, 199], [1], id="each once"),
        pytest.param([100, 300, 5000], [1], id="none after the end"),
        pytest.param([300], [], id="the end is not in"),
    ],
)
def test_given_times_keep_the_frames_on_show(times_ms, kept):
    policy = GivenTimes(times_ns=tuple(ms * 1_000_000 for ms in times_ms))

    assert clock(3, 10).select(policy).tolist() == kept
    assert clock(3, 10, late_ns=-7 * NS_PER_S).select(policy).tolist() == kept


@pytest.mark.parametrize("count", [0, 1_000_001])
def test_rejects_an_impossible_count(count):
    with pytest.raises(InvalidSpec, match=r"--count must be in \[1, 1,000,000\]"):
        UniformCount(count=count)


def test_rejects_a_step_of_nothing():
    with pytest.raises(InvalidSpec, match="must be at least 1, got 0"):
        EveryNth(step=0)


@pytest.mark.parametrize("times_ns", [(), (-1,), (5, 10**18 + 1)], ids=str)
def test_rejects_impossible_times(times_ns):
    with pytest.raises(InvalidSpec, match="--at must be seconds in"):
        GivenTimes(times_ns=times_ns)


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "30", "50", "60000/1001"])
@pytest.mark.parametrize("half", [1, 3, 12, 37])
def test_a_middle_that_falls_on_a_frame_s_start_takes_that_frame(rate, half):
    """Whole nanoseconds cut a fraction off every time: that must not shift the choice."""
    edges_ns = [k * NS_PER_S // Fraction(rate) for k in range(10 * half + 1)]
    kept = at(*edges_ns[:-1], end=edges_ns[-1]).select(UniformCount(count=5))

    assert kept.tolist() == [half * (2 * k + 1) for k in range(5)]


@pytest.mark.parametrize(
    ("keyframes", "parts", "first_frames"),
    [
        pytest.param((0, 4, 8), 2, [0, 8], id="the next keyframe"),
        pytest.param((0, 4, 8), 3, [0, 4, 8], id="as many as asked"),
        pytest.param((0, 4, 8), 12, [0, 4, 8], id="no more than there are keyframes"),
        pytest.param((0,), 4, [0], id="one keyframe, one range"),
        pytest.param((0, 1), 2, [0], id="nothing is cut too early"),
        pytest.param((), 2, [0], id="no keyframe at all"),
        pytest.param((0, 6), 1, [0], id="one part"),
    ],
)
def test_ranges_begin_at_keyframes_and_cover_everything(keyframes, parts, first_frames):
    timeline = clock(12, 10, keyframes=keyframes, late_ns=5)

    ranges = timeline.ranges(parts)

    starts_ns = [None, *(int(timeline.pts_ns[i]) for i in first_frames[1:])]
    assert [start for start, _ in ranges] == starts_ns
    assert [end for _, end in ranges] == [*starts_ns[1:], None]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "kept"),
    [
        pytest.param(0, None, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], id="whole"),
        pytest.param(300, 600, [3, 4, 5], id="start is included, end is not"),
        pytest.param(301, 601, [4, 5, 6], id="a frame belongs to where it starts"),
        pytest.param(0, 1, [0], id="the first millisecond"),
        pytest.param(950, None, [], id="after the start of the last frame"),
        pytest.param(0, 5000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], id="past the end"),
        pytest.param(5000, 6000, [], id="beyond the end"),
    ],
)
@pytest.mark.parametrize("late_ns", [0, 1_234_567_890, -50 * MS])
def test_a_selection_is_cut_to_its_range(start_ms, end_ms, kept, late_ns):
    """Ten frames of 100 ms; the range counts from the first frame, wherever that is."""
    selection = Selection(
        policy=EveryFrame(),
        start_ns=start_ms * MS,
        end_ns=None if end_ms is None else end_ms * MS,
    )

    assert clock(10, 10, late_ns=late_ns).choose(selection).tolist() == kept


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        pytest.param(EveryNth(step=2), [3, 5, 7], id="counts from the first of the range"),
        pytest.param(UniformCount(count=2), [4, 6], id="spreads over the range"),
        pytest.param(FixedRate(rate_hz=5), [3, 5, 7], id="ticks from the first of the range"),
        pytest.param(KeyframesOnly(), [5], id="keyframes of the range"),
    ],
)
def test_the_policy_sees_the_range_alone(policy, kept):
    selection = Selection(policy=policy, start_ns=300 * MS, end_ns=800 * MS)

    assert clock(10, 10, keyframes=(0, 5, 8)).choose(selection).tolist() == kept


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        pytest.param(FixedRate(rate_hz=5), [0, 3], id="ticks at 0 and 200, none at 400"),
        pytest.param(GivenTimes(times_ns=(350 * MS, 410 * MS)), [5], id="410 is beyond the end"),
        pytest.param(UniformCount(count=2), [1, 5], id="in the middle of each half: 100 and 300"),
    ],
)
def test_a_range_ends_where_it_was_told_to_though_its_last_frame_lasts_longer(policy, kept):
    """A frame every 60 ms: that of 360 is on show until 420, but the range ends at 400."""
    timeline = at(*(60 * MS * k for k in range(10)), end=600 * MS)

    chosen = timeline.choose(Selection(policy=policy, end_ns=400 * MS))

    assert chosen.tolist() == kept


@pytest.mark.parametrize(
    ("limits_ms", "kept"),
    [
        pytest.param((None, None), [2, 3, 4, 5, 6], id="no further limit"),
        pytest.param((0, 10_000), [2, 3, 4, 5, 6], id="a wider range"),
        pytest.param((400, None), [4, 5, 6], id="a later start"),
        pytest.param((None, 400), [2, 3], id="an earlier end"),
        pytest.param((300, 500), [3, 4], id="a range within"),
        pytest.param((800, 900), [], id="a range beside"),
        pytest.param((0, 200), [], id="a range that ends where it begins"),
    ],
)
def test_a_selection_is_narrowed_to_a_further_range(limits_ms, kept):
    """Ten frames of 100 ms, of which [200 ms, 700 ms) is asked for."""
    selection = Selection(policy=EveryFrame(), start_ns=200 * MS, end_ns=700 * MS)
    start_ns, end_ns = (None if ms is None else ms * MS for ms in limits_ms)

    narrowed = selection.within(start_ns, end_ns)

    assert clock(10, 10, late_ns=5).choose(narrowed).tolist() == kept


@pytest.mark.parametrize(("cap", "kept"), [(1, [0]), (3, [0, 2, 4]), (99, [0, 2, 4, 6, 8])])
def test_a_cap_keeps_the_first_ones(cap, kept):
    selection = Selection(policy=EveryNth(step=2), max_frames=cap)

    assert clock(10, 10).choose(selection).tolist() == kept


def test_every_choice_is_an_array_of_int64():
    """What indexes frames is one type, also where nothing is chosen."""
    policies = [
        EveryFrame(),
        EveryNth(step=2),
        FixedRate(rate_hz=3),
        UniformCount(count=2),
        KeyframesOnly(),
    ]
    for start_ns in (0, 10**15):
        for policy in policies:
            chosen = clock(4, 30).choose(Selection(policy=policy, start_ns=start_ns))
            assert chosen.dtype == np.int64, policy


@pytest.mark.parametrize("starts", [[], [0, 0], [2, 1], [0, 5], [0, 9]], ids=str)
def test_rejects_times_that_no_real_stream_has(starts):
    with pytest.raises(InvalidMedia, match="end_ns=5"):
        at(*starts, end=5)


def test_rejects_flags_that_do_not_match_the_frames():
    with pytest.raises(InvalidMedia, match="one keyframe flag a frame"):
        Timeline(pts_ns=np.array([0, 1]), keyframe=np.array([True]), end_ns=2)


def test_a_part_of_a_timeline_ends_where_the_next_frame_begins():
    part = at(0, 10, 30, 60, end=100, keyframes=(0, 2)).between(1, 3)

    assert part.pts_ns.tolist() == [10, 30]
    assert part.keyframe.tolist() == [False, True]
    assert part.end_ns == 60
    assert at(0, 10, end=100).between(1, 2).end_ns == 100
