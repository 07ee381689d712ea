"""Progress is told by work, and rates are those of the last seconds."""

import json

import pytest
from msgspec.structs import replace

from shardmill.dataset.job import Status
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Live, Share
from shardmill.monitor.progress import Meter, Progress, at_rest

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


PLANNED = {"probed": 100, "planned_us": 1000, "planned_frames": 500}


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
        pytest.param({"worked_us": 250, "probed": 50}, Live(), 0.125, id="half"),
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
    half = {"probed": 50}

    assert read(snapshot(5, **PLANNED)).frames_expected == 500
    assert read(snapshot(5, **PLANNED | half)).frames_expected == 1000


def test_frames_are_those_stored_and_those_in_work():
    assert read(snapshot(5, live=Live(0, 7), **PLANNED, frames=30)).frames == 37


def test_rates_and_the_time_left_are_by_hand():
    """From second 10 to 20: 40 files, 100 frames, 15 of 1,000 of work a second; half is left."""
    first = snapshot(10, **PLANNED | {"probed": 60, "worked_us": 350})
    between = [snapshot(10 + t, **PLANNED, worked_us=350 + 15 * t) for t in range(1, 10)]
    told = read(first, *between, snapshot(20, **PLANNED, worked_us=500, frames=100))

    assert told.probe_rate_hz == pytest.approx(4)
    assert told.frame_rate_hz == pytest.approx(10)
    assert told.eta_s == pytest.approx(500 / 15)


def test_a_rate_forgets_what_is_long_ago():
    """Two hundred idle seconds do not slow the last ten."""
    idle = (snapshot(0, **PLANNED), snapshot(200, **PLANNED))
    busy = [snapshot(200 + t, **PLANNED, worked_us=50 * t, frames=10 * t) for t in range(1, 11)]
    told = read(*idle, *busy)

    assert told.frame_rate_hz == pytest.approx(10)
    assert told.eta_s == pytest.approx(10)


def test_frames_that_come_back_as_less_are_no_negative_rate():
    """A batch in work is lost and its live frames with it."""
    told = read(snapshot(1, live=Live(500, 50), **PLANNED), snapshot(9, **PLANNED))

    assert told.frame_rate_hz == 0.0
    assert told.eta_s is None


def test_a_run_that_goes_on_counts_its_own_rates_and_the_whole_share():
    """Of 1,000 frames 600 were there; in ten seconds this run has stored 100 of its 400."""
    before = {"probed_before": 60, "frames_before": 600, "planned_frames": 400}
    first = snapshot(0, probed=60, frames=600, probed_before=60, frames_before=600)
    told = read(first, snapshot(10, **PLANNED | before, worked_us=250, frames=700))

    assert (read(first).frame_mean_hz, read(first).share_done) == (0.0, 0.6)
    assert (told.frames, told.frames_expected) == (700, 1000)
    assert told.share_done == pytest.approx(0.7)
    assert (told.frame_mean_hz, told.frame_rate_hz) == (10.0, 10.0)
    assert told.probe_mean_hz == pytest.approx(4)


def test_files_that_failed_while_they_were_probed_make_no_work():
    """Ten of twenty are sound, and so will be forty of the eighty that follow."""
    told = read(snapshot(5, probed=20, planned_frames=100, planned_us=1000, worked_us=500))

    assert told.frames_expected == 500
    assert told.share_done == pytest.approx(0.1)


def test_files_that_become_several_items_are_still_files():
    """Ten of 20 files are probed and have become 20 clips more; the other ten will cost as much."""
    counters = {"probed": 10, "inputs": 20, "planned_us": 1000}
    counters |= {"planned_frames": 100, "worked_us": 500}
    told = read(replace(snapshot(5, inputs=20), counters=counters))

    assert told.frames_expected == 200
    assert told.share_done == pytest.approx(0.25)


def test_who_holds_what_and_who_has_done_how_much():
    """In ten seconds "a" commits 40 frames and stores 10 of a batch; "b" probes 30 files."""
    held = [
        Live(5, 10, 50, "a", "extract", "1.mp4", 1, 4),
        Live(0, 0, 0, "b", "probe", "2.mp4", 10, 64),
    ]
    first = replace(snapshot(0), shares={"a": Share(0, 100), "gone": Share(7, 7)})
    shares = {"a": Share(0, 140), "b": Share(20, 0), "gone": Share(7, 7)}
    told = read(first, replace(snapshot(10, probed=20), held=held, shares=shares))

    a, b = told.workers
    assert (a.worker, a.frame_rate_hz, a.probe_rate_hz, a.held) == ("a", 5.0, 0.0, (held[0],))
    assert (b.worker, b.frame_rate_hz, b.probe_rate_hz, b.held) == ("b", 0.0, 3.0, (held[1],))
    assert told.probed == 30


def test_a_file_is_never_probed_twice_on_the_screen():
    held = [Live(0, 0, 0, "b", "probe", "2.mp4", 10, 64)]

    assert read(replace(snapshot(10, probed=95), held=held)).probed == 100


def test_a_job_at_rest_has_no_rates():
    status = Status(
        job="j", state="done", out="/o", inputs=3, tally=Tally(ok=2, failed=1, frames=9)
    )

    told = at_rest(status)

    assert (told.probed, told.frames, told.share_done) == (3, 9, 1.0)
    assert (told.frame_rate_hz, told.frame_mean_hz, told.eta_range_s) == (0.0, 0.0, None)
    assert json.loads(json.dumps(told.encode()))["workers"] == []


def test_a_job_that_is_done_is_done_whatever_was_planned():
    ended = replace(snapshot(9, **PLANNED, worked_us=10, video_ns=2_500_000_000), state="done")

    assert read(ended).share_done == 1.0
    assert read(ended).video_s == 2.5
