"""Work is cut into equal parts, in order, within the shard's limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shardmill.contract.estimate import Estimate, estimate
from shardmill.contract.schema import Facts, Item
from shardmill.contract.spec import Spec
from shardmill_worker.execution.in_decoder.planner import (
    BATCH_COST_S,
    plan,
    scatter_ms2,
    timeout_s,
    total,
)

HD = Facts(
    kind="video",
    display_width=1280,
    display_height=720,
    fps=25.0,
    duration_s=8.0,
    frames_header=200,
)
STILL = Facts(kind="image", display_width=1000, display_height=500)


def video(duration_s: float) -> Facts:
    """A 1000x1000 clip at 10 Hz: 2.1 ms a frame to decode, 0.06 ms to store at 100x100."""
    return Facts(
        kind="video", display_width=1000, display_height=1000, fps=10.0, duration_s=duration_s
    )


SMALL = Spec(size="100x100")


def file(size_bytes: int = 1_000_000, name: str = "1.mp4") -> Item:
    return Item(path=name, size_bytes=size_bytes, mtime_ns=1)


def files(count: int) -> list[Item]:
    return [file(name=f"{i}.mp4") for i in range(count)]


def test_how_far_costs_scatter_is_told_by_file_and_not_by_its_parts():
    """Two of equal cost are twice its square; two parts of one file the square of twice."""
    one_ms = 1000 * estimate(file(), video(10), SMALL).cost_s
    parts, files = [file(), file()], [file(), file(name="2.mp4")]
    facts = [video(10)] * 2

    assert scatter_ms2(files, facts, SMALL) == pytest.approx(2 * one_ms**2, abs=1)
    assert scatter_ms2(parts, facts, SMALL) == pytest.approx((2 * one_ms) ** 2, abs=1)
    assert scatter_ms2([], [], SMALL) == 0


def test_a_total_is_the_sum():
    both = total([file(), file()], [HD, STILL], Spec(size="160x120"))

    assert (both.frames, both.frames_kept) == (201, 201)
    assert both.bytes_out == 201 * (500 + 7296)
    assert total([], [], Spec()) == Estimate(0, 0, 0, 0)


DAY_S = 24 * 3600


@pytest.mark.parametrize(
    ("facts", "size_bytes", "options", "seconds"),
    [
        pytest.param(None, 1000, {}, 60, id="unknown"),
        pytest.param(STILL, 1000, {}, 60, id="cheap"),
        pytest.param(None, 2 * 10**9, {}, 2000, id="unknown and large: a megabyte a second"),
        pytest.param(STILL, 2 * 10**9, {}, 2000, id="large, whatever its header tells"),
        pytest.param(video(1000), 10**6, {"size": "100x100"}, 50 * 21.603, id="dear"),
        pytest.param(video(10**6), 10**9, {}, DAY_S, id="a day at most"),
        pytest.param(None, 10**12, {}, DAY_S, id="a day at most, unknown"),
        pytest.param(video(1000), 10**6, {"item_timeout_s": 2.0}, 2, id="as told"),
        pytest.param(
            video(1000), 10**6, {"item_timeout_s": 1e6}, 1e6, id="more than a day, as told"
        ),
        pytest.param(None, 2 * 10**9, {"item_timeout_s": 2.0}, 2, id="unknown, as told"),
    ],
)
def test_an_item_may_take_many_times_its_estimate(facts, size_bytes, options, seconds):
    assert timeout_s(file(size_bytes), facts, Spec(**options)) == pytest.approx(seconds)


def sizes(items: list[Item], facts: list[Facts], spec: Spec) -> list[int]:
    """The number of items of each batch."""
    _, edges = plan(items, facts, spec)
    return [end - first for first, end in edges]


@pytest.mark.parametrize(
    ("facts", "options", "expected"),
    [
        pytest.param([STILL] * 3, {}, [3], id="little work is one batch"),
        pytest.param([STILL] * 10, {"clips_per_shard": 10}, [10], id="as many as allowed"),
        pytest.param([STILL] * 11, {"clips_per_shard": 10}, [5, 6], id="no tail of one clip"),
        pytest.param([STILL] * 3, {"clips_per_shard": 1}, [1, 1, 1], id="a shard a clip"),
        # 5000 frames, 10.8 s of work each
        pytest.param([video(500)] * 2, {"size": "100x100"}, [1, 1], id="dear items stay whole"),
        # 1000 frames, 2.163 s each: 47.6 s are three batches of 15.9 s
        pytest.param([video(100)] * 22, {"size": "100x100"}, [7, 8, 7], id="equal work"),
        # 20 s each: by work alone, six pictures and a clip would go together
        pytest.param(
            [STILL] * 6 + [video(925)] * 4,
            {"size": "100x100", "clips_per_shard": 4},
            [3, 4, 1, 1, 1],
            id="never more clips than allowed",
        ),
        # 100 frames of 30,500 bytes each: 3.05 MB, four times 9.2 MB for twelve
        pytest.param(
            [video(10)] * 12,
            {"size": "100x100", "encoding": "raw", "shard_size_bytes": 9_200_000},
            [3, 3, 3, 3],
            id="equal bytes",
        ),
    ],
)
def test_work_is_cut_into_equal_parts(facts, options, expected):
    assert sizes(files(len(facts)), facts, Spec(**options)) == expected


def test_one_dear_item_leaves_the_others_together():
    """It takes 40 s, two batches' worth, and the pictures next to nothing."""
    facts = [*[STILL] * 4, video(1850), *[STILL] * 2]

    assert sizes(files(7), facts, SMALL) == [4, 3]


def test_the_parts_of_a_long_video_are_batches_of_their_own():
    """Ten seconds of work each: two of anything else would go together."""
    parts = [replace(file(), segment=n, segments=4, start_ns=n) for n in range(4)]
    clips = [replace(file(), segment=n, segments=4, clip_start_ns=n) for n in range(4)]

    assert sizes(parts, [video(462)] * 4, SMALL) == [1, 1, 1, 1]
    assert sizes(clips, [STILL] * 4, SMALL) == [4]


def test_the_clips_of_a_file_are_read_in_the_order_of_time():
    clips = [
        replace(file(name=name), segment=n, segments=3, clip_start_ns=start)
        for name in ("1.mp4", "2.mp4")
        for n, start in enumerate([7, None, 5])
    ]

    order, edges = plan(clips, [STILL] * 6, SMALL)

    assert edges == [(0, 6)]
    assert [(clips[i].path, clips[i].segment) for i in order] == [
        *(("1.mp4", 1), ("1.mp4", 2), ("1.mp4", 0)),
        *(("2.mp4", 1), ("2.mp4", 2), ("2.mp4", 0)),
    ]


FACTS = st.lists(
    st.one_of(
        st.just(STILL),
        st.just(Facts()),
        st.floats(min_value=0.1, max_value=5000).map(video),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(facts=FACTS, clips=st.none() | st.integers(1, 70), megabytes=st.integers(1, 300))
def test_a_plan_keeps_order_and_limits_and_is_the_same_each_time(facts, clips, megabytes):
    spec = Spec(size="100x100", clips_per_shard=clips, shard_size_bytes=megabytes * 1_000_000)
    items = files(len(facts))

    order, edges = plan(items, facts, spec)

    assert order == list(range(len(facts)))
    assert [i for first, end in edges for i in range(first, end)] == order
    assert all(1 <= end - first <= (clips or len(facts)) for first, end in edges)
    assert plan(items, facts, spec) == (order, edges)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(seconds=st.lists(st.floats(min_value=0.1, max_value=5000), min_size=1, max_size=60))
def test_no_batch_is_more_than_one_item_away_from_the_mean(seconds):
    facts = [video(duration_s) for duration_s in seconds]

    items = files(len(facts))
    _, edges = plan(items, facts, SMALL)
    costs = [total(items[a:b], facts[a:b], SMALL).cost_s for a, b in edges]

    dearest = max(estimate(file(), known, SMALL).cost_s for known in facts)
    mean = sum(costs) / len(costs)
    assert all(abs(cost - mean) <= dearest + 1e-6 for cost in costs)
    assert mean <= BATCH_COST_S + dearest
