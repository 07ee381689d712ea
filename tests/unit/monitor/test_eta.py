"""What is foretold is a range that holds, and nothing is foretold without ground."""

import math
import random

import pytest

from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Live
from shardmill.monitor.eta import FINISH_S, MARGIN, YOUNG_S, Foresight, Work

S = 1_000_000


def snapshot(seconds: float, *, state: str = "running", leased: int = 2, **changes) -> Snapshot:
    held = changes.pop("held", [])
    return Snapshot(
        state=state,
        reason="",
        out="/out",
        inputs=changes.pop("inputs", 100),
        counters=changes,
        inflight=leased,
        leased=leased,
        live=Live.total(held),
        seconds=seconds,
        held=held,
    )


PROBED = {"probed": 100, "planned_us": 200 * S}


DOUBT = MARGIN + YOUNG_S / 20
"""After 20 seconds."""


def foretold(*snapshots: Snapshot) -> Work:
    foresight = Foresight()
    return [foresight.read(each) for each in snapshots][-1]


def steady(until_s: int, pace: int = 2, **changes) -> list[Snapshot]:
    """A look each second at two cores at work, two seconds of work a second."""
    return [snapshot(t, **PROBED | changes, worked_us=pace * t * S) for t in range(until_s + 1)]


def test_steady_work_has_a_narrow_range():
    """After 20 of 100 s; a step of one second among fifteen is the only doubt but the margin."""
    least, most = foretold(*steady(20)).eta_range_s

    assert foretold(*steady(20)).eta_s == pytest.approx(80)
    assert least == pytest.approx(80 / (1 + 1 / 15) / DOUBT)
    assert most == pytest.approx(80 / (1 - 1 / 15) * DOUBT + FINISH_S)


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(steady(2), id="too short a time"),
        pytest.param([snapshot(t, **PROBED) for t in range(20)], id="nothing done"),
        pytest.param(steady(20, inputs=None), id="inputs not counted"),
        pytest.param(steady(20, probed=99), id="one of a hundred not probed"),
        pytest.param([*steady(20), snapshot(21, state="paused", **PROBED)], id="paused"),
        pytest.param(
            [*steady(20), snapshot(21, state="paused"), snapshot(22, **PROBED, worked_us=40 * S)],
            id="just resumed",
        ),
        pytest.param(
            [snapshot(0, **PROBED, worked_us=S), snapshot(4, **PROBED, worked_us=50 * S)],
            id="one batch committed",
        ),
        pytest.param(
            [*steady(20), *(snapshot(t, **PROBED, worked_us=40 * S) for t in range(21, 40))],
            id="it stands still",
        ),
    ],
)
def test_without_ground_nothing_is_foretold(looks):
    assert foretold(*looks).eta_range_s is None
    assert foretold(*looks).eta_s is None


def test_what_is_not_probed_widens_the_range():
    """Costs that all differ by their mean: 2 standard errors of 100 probed are 20 % of the rest."""
    squares = {"probed": 100, "planned_us": 200 * S, "planned_ms2": 100 * 2 * 2000**2}
    looks = steady(20, **squares, inputs=400)

    least, most = foretold(*looks).eta_range_s
    left_s, error_s = 800 - 40, 2 * 2 / math.sqrt(100) * 300
    doubt = DOUBT + 1 / math.sqrt(50) * (1 - 40 / 800)  # work as if of fifty equal inputs
    assert least == pytest.approx((left_s - error_s) / (2 + 2 / 15) / doubt)
    assert most == pytest.approx((left_s + error_s) / (2 - 2 / 15) * doubt + FINISH_S)


def test_one_input_that_is_most_of_the_work_widens_the_range():
    """Nothing evens its estimate out; of its 200 seconds 120 are done."""
    _, even = foretold(*steady(60)).eta_range_s
    _, uneven = foretold(*steady(60, planned_ms2=200_000**2)).eta_range_s

    margin = MARGIN + YOUNG_S / 60
    assert (uneven - FINISH_S) / (even - FINISH_S) == pytest.approx((margin + 0.4) / margin)


def test_time_before_work_began_is_no_work():
    """Twenty idle seconds while files were probed, then ten of work."""
    idle = [snapshot(t, **PROBED) for t in range(21)]
    busy = [snapshot(20 + t, **PROBED, worked_us=2 * t * S) for t in range(1, 11)]

    assert foretold(*idle, *busy).eta_s == pytest.approx(90)


def test_the_last_batch_has_a_slot_for_itself():
    """Both cores did 2 s a second; the one batch that is left, of 30 s, has one of them."""
    last = [Live(0, 0, 30 * S, "w", "extract", "f", 0, 1)]
    *looks, _ = steady(20, planned_us=70 * S)
    looks.append(snapshot(20, probed=100, planned_us=70 * S, worked_us=40 * S, leased=1, held=last))

    assert foretold(*looks).eta_s == pytest.approx(30)
    assert foretold(*looks).eta_range_s[1] > 30


@pytest.mark.parametrize("seed", range(20))
def test_the_truth_lies_in_the_range(seed):
    """Two slots over 400 inputs whose costs scatter by more than their mean, told in batches."""
    lot = random.Random(seed)
    costs = [lot.lognormvariate(0, 1) for _ in range(400)]
    total, foresight = sum(costs), Foresight()
    hits, told = 0, 0
    for now in range(1, int(total / 2)):
        done, count = 0.0, 0
        while done + costs[count] <= 2 * now:
            done += costs[count]
            count += 1
        known = costs[: min(400, count + 100)]
        work = foresight.read(
            snapshot(
                now,
                inputs=400,
                probed=len(known),
                planned_us=round(sum(known) * S),
                planned_ms2=round(sum((1000 * cost) ** 2 for cost in known)),
                worked_us=round(done * S),
            )
        )
        if work.eta_range_s is not None:
            told += 1
            hits += work.eta_range_s[0] <= total / 2 - now <= work.eta_range_s[1]
    assert told > 200, "it does tell something"
    assert hits >= 0.95 * told
