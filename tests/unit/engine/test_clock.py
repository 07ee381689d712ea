"""Whatever times a stream gives, they come out increasing, and sound ones come out unchanged."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from shardmill_worker.engine.decode import Clock

MS = 1_000_000
S = 1_000_000_000


def times_ns(pts: list[int | None], time_base=Fraction(1, 1000), rate=Fraction(10)) -> list[int]:
    stream = SimpleNamespace(average_rate=rate, guessed_rate=None)
    clock = Clock(SimpleNamespace(time_base=time_base, stream=stream))
    return [clock.next_ns(SimpleNamespace(pts=p)) for p in pts]


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
