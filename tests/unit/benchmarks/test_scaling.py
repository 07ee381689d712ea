"""docs/scaling.md is what the simulation says; that agrees with calculations by hand."""

import sys
from dataclasses import replace

import pytest

from source_tree import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from record import load_all
from scaling import SLOTS_A_WORKER, Cluster, Costs, page

COSTS = Costs(
    title="made up",
    files=100,
    producer_s=1e-6,
    redis_s=3e-6,
    storage_s=1e-6,
    slot_s=10.0,
    beat_s=0.0,
    own_share=0.0,
    worker_share=0.0,
    job_share=0.0,
)
WORKERS = 4


def run(*, window: int = 1000, **costs: float):
    return Cluster(replace(COSTS, **costs), WORKERS, window).run()


def test_the_page_says_what_the_measured_costs_give():
    """``make bench`` writes both; this fails if one was changed by hand."""
    text = (ROOT / "docs" / "scaling.md").read_text()

    assert page(load_all(ROOT / "benchmarks" / "results")) == text
    assert "{" not in text


def test_with_slots_alone_they_are_the_limit():
    """64 slots with 100 files in 10 s each: 640 files a second."""
    found = run()

    assert SLOTS_A_WORKER * WORKERS == 64
    assert found.files_per_s == pytest.approx(640, rel=0.1)
    assert found.limit == "slots"


@pytest.mark.parametrize(
    ("cost", "seconds", "limit", "files_per_s"),
    [
        ("producer_s", 0.5, "producer", 200),
        ("redis_s", 0.8, "Redis", 125),
        ("storage_s", 0.4, "storage", 250),
    ],
)
def test_the_slowest_station_is_the_limit(cost, seconds, limit, files_per_s):
    """100 files in that time, one batch after the other."""
    found = run(**{cost: seconds})

    assert found.limit == limit
    assert found.files_per_s == pytest.approx(files_per_s, rel=0.05)
    assert found.busy[limit] == pytest.approx(1, abs=0.05)


def test_a_small_window_leaves_slots_empty():
    """8 batches at a time are 80 files a second; 8 of 64 slots work."""
    found = run(window=8)

    assert found.limit == "window"
    assert found.files_per_s == pytest.approx(80, rel=0.1)
    assert found.busy["slots"] == pytest.approx(1 / 8, rel=0.1)


def test_idle_workers_and_a_job_take_their_share_of_redis():
    """2 % for nobody, 4 workers at 5 % and a job at 10 % leave 68 %."""
    found = run(redis_s=0.8, own_share=0.02, worker_share=0.05, job_share=0.10)

    assert found.files_per_s == pytest.approx(125 * 0.68, rel=0.05)
    assert found.busy["Redis"] == pytest.approx(1, abs=0.05)


def test_beats_take_their_share_of_redis():
    """64 slots that each cost 5 ms a second leave 68 %: 100 files in 0.8 s become 85 a second."""
    found = run(redis_s=0.8, beat_s=0.005)

    assert found.files_per_s == pytest.approx(125 * 0.68, rel=0.05)
    assert found.busy["Redis"] == pytest.approx(1, abs=0.05)
