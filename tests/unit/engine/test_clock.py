"""Whatever times a stream gives, they come out increasing, and sound ones come out unchanged."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from shardmill_worker.engine.decode import Clock

MS = 1_000_000
S = 1_000_000_000


def times_ns(
    pts: list[int | None],
    dts: list[int | None] | None = None,
    time_base=Fraction(1, 1000),
    rate=Fraction(10),
) -> list[int]:
    stream = SimpleNamespace(average_rate=rate, guessed_rate=None)
    clock = Clock(SimpleNamespace(time_base=time_base, stream=stream))
    pairs = zip(pts, dts or [None] * len(pts), strict=True)
    return [clock.next_ns(SimpleNamespace(pts=p, dts=d)) for p, d in pairs]


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        pytest.param([0, 100, 250], [0, 100 * MS, 250 * MS], id="sound times"),
        pytest.param([-50, 0], [-50 * MS, 0], id="before zero"),
        pytest.param([7000, 7100], [7 * S, 7100 * MS], id="a late start"),
        pytest.param([None, None, None], [0, 100 * MS, 200 * MS], id="none at all"),
        pytest.param([500, None, 700], [500 * MS, 600 * MS, 700 * MS], id="one missing"),
        pytest.param([0, 100, 100, 200], [0, 100 * MS, 100 * MS + 1, 200 * MS], id="one twice"),
        pytest.param([0, 100, 90, 200], [0, 100 * MS, 100 * MS + 1, 200 * MS], id="a slip"),
        pytest.param(
            [9000, 9100, 0, 250],
            [9 * S, 9100 * MS, 9200 * MS, 9450 * MS],
            id="a new clock goes on where the old one stopped",
        ),
        pytest.param([0, 2**62, 200], [0, 100 * MS, 200 * MS], id="noise"),
    ],
)
def test_times_increase(pts, expected):
    assert times_ns(pts) == expected


def test_thirds_of_a_second_are_rounded_down_and_do_not_drift():
    found = times_ns([0, 1, 2, 3_000_000], time_base=Fraction(1, 3))

    assert found == [0, 333_333_333, 666_666_666, 1_000_000 * S]


@pytest.mark.parametrize(
    ("pts", "dts", "expected"),
    [
        pytest.param(
            [0, 80001, 80000, 1, 240000, 160001],
            [80000, 80001, 160000, 160001, 240000, 280000],
            [0, 80001, 160000, 160001, 240000, 280000],
            id="frames whose own times go back take their packets'",
        ),
        pytest.param(
            [0, 33, 67, 50, 99, 117],
            [16, 33, 50, 66, 83, 100],
            [0, 33, 67, 67 + Fraction(1, MS), 99, 117],
            id="a single slip, which ffprobe does not forgive",
        ),
        pytest.param([None] * 3, [2, 3, 4], [2, 3, 4], id="frames without times of their own"),
        pytest.param([5, 7, 9], [3, 3, 3], [5, 7, 9], id="packets' times that stand still"),
        pytest.param([None, 100, 200], [0, None, None], [0, 100, 200], id="now one, now the other"),
    ],
)
def test_times_are_those_that_ffprobe_calls_best_effort(pts, dts, expected):
    """The first row is what ffprobe 5.1 shows of an MP4 whose times lie."""
    assert times_ns(pts, dts) == [MS * time for time in expected]
