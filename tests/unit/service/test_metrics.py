"""Prometheus is told what the ledger knows, by job and never by file."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shardmill.contract.errors import InvalidMessage, LedgerUnavailable
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Live
from shardmill_worker.metrics import LedgerCollector
from source_tree import ROOT

OPS = ROOT / "ops"


def snapshot(**changes) -> Snapshot:
    values = {
        "state": "running",
        "reason": "",
        "out": "/out",
        "inputs": 10,
        "counters": {
            "ok": 3,
            "failed": 2,
            "failed:corrupt": 1,
            "failed:crash": 1,
            "probed": 7,
            "frames": 900,
            "bytes_in": 5,
            "bytes_out": 6,
            "video_ns": 1_500_000_000,
            "planned_us": 8_000_000,
            "worked_us": 3_000_000,
            "inputs": 10,
        },
        "inflight": 5,
        "leased": 2,
        "live": Live(500_000, 50),
        "seconds": 4.0,
    }
    return Snapshot(**values | changes)


class StillLedger:
    """A ledger at one moment; a job whose entry is none is None."""

    def __init__(self, jobs: dict[str, Snapshot | None]) -> None:
        self._jobs = jobs

    def active(self) -> dict[str, int | None]:
        return dict.fromkeys(self._jobs, 0)

    def snapshot(self, job: str) -> Snapshot:
        found = self._jobs[job]
        if found is None:
            raise InvalidMessage("no job of this version")
        return found

    def queued(self) -> int:
        return 3

    def workers(self) -> list[str]:
        return ["box-1", "box-2"]


def told(ledger) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger))
    text = generate_latest(registry).decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shardmill_redis_up", 1),
        ("shardmill_workers", 2),
        ("shardmill_queue_messages", 3),
        ("shardmill_backlog_batches", 5),
        ('shardmill_job_state{job="a",state="running"}', 1),
        ('shardmill_job_state{job="a",state="done"}', 0),
        ('shardmill_job_inputs{job="a"}', 10),
        ('shardmill_job_probed_total{job="a"}', 7),
        ('shardmill_job_items_total{job="a",status="ok"}', 3),
        ('shardmill_job_items_total{job="a",status="failed"}', 2),
        ('shardmill_job_items_total{job="a",status="skipped"}', 0),
        ('shardmill_job_failures_total{class="corrupt",job="a"}', 1),
        ('shardmill_job_frames_total{job="a"}', 950),
        ('shardmill_job_bytes_in_total{job="a"}', 5),
        ('shardmill_job_bytes_out_total{job="a"}', 6),
        ('shardmill_job_video_seconds_total{job="a"}', 1.5),
        ('shardmill_job_batches{job="a",place="leased"}', 2),
        ('shardmill_job_batches{job="a",place="waiting"}', 3),
        ('shardmill_job_work_planned_seconds{job="a"}', 8),
        ('shardmill_job_work_done_seconds{job="a"}', 3.5),
    ],
)
def test_a_number_of_the_ledger(name, value):
    """Worked out by hand; the paused job counts nowhere but under its own name."""
    ledger = StillLedger({"a": snapshot(), "b": snapshot(state="paused"), "old": None})

    assert told(ledger)[name] == value


def test_a_redis_that_is_away_is_a_number_too():
    class Away(StillLedger):
        def active(self) -> dict[str, int | None]:
            raise LedgerUnavailable("gone")

    assert told(Away({})) == {"shardmill_redis_up": 0}


@pytest.mark.parametrize(
    "place", ["grafana/shardmill.json", "prometheus/alerts.yml", "kubernetes/shardmill.yaml"]
)
def test_what_is_shown_alerted_and_scaled_by_exists(place):
    ours = {re.match(r"\w+", name)[0] for name in told(StillLedger({"a": snapshot()}))}
    asked = set(re.findall(r"\bshardmill_(?!worker)\w+", Path(OPS, place).read_text()))

    assert asked
    assert asked <= ours


def test_the_dashboard_asks_a_prometheus_that_the_reader_names():
    dashboard = json.loads((OPS / "grafana" / "shardmill.json").read_text())

    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${source}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
