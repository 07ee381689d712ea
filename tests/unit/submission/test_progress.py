"""Progress is told by work, and rates are those of the last seconds."""

from dataclasses import replace

import pytest

from shardmill.ledger.answers import Snapshot
from shardmill.ledger.told import Live
from shardmill.submission.progress import Meter, Progress

IDLE = Live()


def snapshot(seconds: float, *, inputs: int = 100, live: Live = IDLE, **counters: int) -> Snapshot:
    return Snapshot(
        state="running",
        reason="",
        out="/out",
        inputs=inputs,
        counters=counters,
        inflight=0,
        leased=0,
        live=live,
        seconds=seconds,
    )


PLANNED = {"probed": 100, "planned_items": 100, "planned_us": 1000, "planned_frames": 500}


def read(*snapshots: Snapshot) -> Progress:
    meter = Meter("clips")
    return [meter.read(each) for each in snapshots][-1]


def test_before_anything_is_known_nothing_is_foretold():
    first = read(snapshot(0.0))

    assert (first.probed, first.frames, first.share_done, first.eta_s) == (0, 0, 0.0, None)
    assert (first.probe_rate_hz, first.frame_rate_hz) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("counters", "live", "share"),
    [
        pytest.param({"worked_us": 250}, Live(), 0.25, id="committed work"),
        pytest.param({"worked_us": 250}, Live(250, 9), 0.5, id="and that of running batches"),
        pytest.param({"worked_us": 900}, Live(900, 9), 1.0, id="never more than all"),
        pytest.param(
            {"worked_us": 250, "probed": 50, "planned_items": 50}, Live(), 0.125, id="half"
        ),
        pytest.param(
            {"worked_us": 250, "probed": 60, "probed_before": 40}, Live(), 1 / 12, id="resumed"
        ),
    ],
)
def test_the_share_is_by_work_and_foresees_what_is_not_probed(counters, live, share):
    """Forty unprobed files after twenty that were planned make three times the work."""
    told = read(snapshot(5, live=live, **PLANNED | counters))

    assert told.share_done == pytest.approx(share)


def test_expected_frames_grow_with_what_is_not_probed():
    half = {"probed": 50, "planned_items": 50}

    assert read(snapshot(5, **PLANNED)).frames_expected == 500
    assert read(snapshot(5, **PLANNED | half)).frames_expected == 1000


def test_frames_are_those_stored_and_those_in_work():
    assert read(snapshot(5, live=Live(0, 7), **PLANNED, frames=30)).frames == 37


def test_rates_and_the_time_left_are_by_hand():
    """From second 10 to 20: 40 files, 100 frames, a quarter of the work; half is left."""
    told = read(
        snapshot(10, **PLANNED | {"probed": 60, "planned_items": 100, "worked_us": 350}),
        snapshot(20, **PLANNED, worked_us=500, frames=100),
    )

    assert told.probe_rate_hz == pytest.approx(4)
    assert told.frame_rate_hz == pytest.approx(10)
    assert told.eta_s == pytest.approx(500 / 15)


def test_a_rate_forgets_what_is_long_ago():
    """Two hundred idle seconds do not slow the last ten."""
    told = read(
        snapshot(0, **PLANNED),
        snapshot(200, **PLANNED),
        snapshot(210, **PLANNED, worked_us=500, frames=100),
    )

    assert told.frame_rate_hz == pytest.approx(10)
    assert told.eta_s == pytest.approx(10)


def test_frames_that_come_back_as_less_are_no_negative_rate():
    """A batch in work is lost and its live frames with it."""
    told = read(snapshot(1, live=Live(500, 50), **PLANNED), snapshot(9, **PLANNED))

    assert told.frame_rate_hz == 0.0
    assert told.eta_s is None


def test_a_job_that_is_done_is_done_whatever_was_planned():
    ended = replace(snapshot(9, **PLANNED, worked_us=10, video_ns=2_500_000_000), state="done")

    assert read(ended).share_done == 1.0
    assert read(ended).video_s == 2.5
