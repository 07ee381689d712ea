"""``python -m shardmill_worker.metrics``: the ledger's numbers, for Prometheus.

Flower counts events, which get lost; these come from the ledger at the moment they are asked
for.  Labels are active jobs, states and error classes, never files: a job's series end some
minutes after the job does, so their number stays small.
"""

import argparse
import signal
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shardmill.contract.errors import InvalidMessage, LedgerUnavailable
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.contract.settings import Settings
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.ledger import Ledger

PORT: Final = 9540
US_PER_S: Final = 1_000_000
STATES: Final = ("running", "paused", "cancelled", "done")


def job_metrics(jobs: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """Yield what is known of each job, by its name."""
    state = GaugeMetricFamily("shardmill_job_state", "1 for its state", labels=["job", "state"])
    inputs = GaugeMetricFamily("shardmill_job_inputs", "files to do, once counted", labels=["job"])
    batches = GaugeMetricFamily(
        "shardmill_job_batches", "batches in flight", labels=["job", "place"]
    )
    planned = GaugeMetricFamily(
        "shardmill_job_work_planned_seconds", "estimated work, one core", labels=["job"]
    )
    done = GaugeMetricFamily(
        "shardmill_job_work_done_seconds", "of that, what is done", labels=["job"]
    )
    for job, snapshot in jobs.items():
        for name in STATES:
            state.add_metric([job, name], float(snapshot.state == name))
        if snapshot.inputs is not None:
            inputs.add_metric([job], snapshot.inputs)
        batches.add_metric([job, "leased"], snapshot.leased)
        batches.add_metric([job, "waiting"], snapshot.inflight - snapshot.leased)
        worked_us = snapshot.counters.get("worked_us", 0) + snapshot.live.worked_us
        planned.add_metric([job], snapshot.counters.get("planned_us", 0) / US_PER_S)
        done.add_metric([job], worked_us / US_PER_S)
    yield from (state, inputs, batches, planned, done)
    yield from _counted(jobs)


def _counted(jobs: Mapping[str, Snapshot]) -> Iterator[Metric]:
    items = CounterMetricFamily("shardmill_job_items", "files by end", labels=["job", "status"])
    failures = CounterMetricFamily(
        "shardmill_job_failures", "failed files by class", labels=["job", "class"]
    )
    plain = {
        name: CounterMetricFamily(f"shardmill_job_{name}", text, labels=["job"])
        for name, text in {
            "probed": "items probed",
            "frames": "frames stored, those of running batches by estimate",
            "bytes_in": "size of the inputs done",
            "bytes_out": "size of the stored frames",
            "video_seconds": "duration of the videos done",
        }.items()
    }
    for job, snapshot in jobs.items():
        tally = Tally.from_counters(snapshot.counters)
        for status in ("ok", "failed", "skipped"):
            items.add_metric([job, status], getattr(tally, status))
        for error_class, count in tally.failures.items():
            failures.add_metric([job, error_class], count)
        values = {
            "probed": snapshot.counters.get("probed", 0),
            "frames": tally.frames + snapshot.live.frames,
            "bytes_in": tally.bytes_in,
            "bytes_out": tally.bytes_out,
            "video_seconds": tally.video_ns / NS_PER_S,
        }
        for name, value in values.items():
            plain[name].add_metric([job], value)
    yield from (items, failures, *plain.values())


class LedgerCollector(Collector):
    """Looks at the ledger each time that Prometheus asks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """Yield everything; only ``shardmill_redis_up`` if Redis does not answer."""
        try:
            found = {job: self._snapshot(job) for job in self._ledger.active()}
            queued, workers = self._ledger.queued(), len(self._ledger.workers())
        except LedgerUnavailable:
            yield GaugeMetricFamily("shardmill_redis_up", "1 if Redis answers", value=0)
            return
        jobs = {job: snapshot for job, snapshot in found.items() if snapshot is not None}
        backlog = sum(s.inflight for s in jobs.values() if s.state == "running")
        for name, text, value in (
            ("redis_up", "1 if Redis answers", 1),
            ("workers", "workers seen in the last seconds", workers),
            ("queue_messages", "messages that wait for a worker", queued),
            ("backlog_batches", "batches of running jobs that wait or are in work", backlog),
        ):
            yield GaugeMetricFamily(f"shardmill_{name}", text, value=value)
        yield from job_metrics(jobs)

    def _snapshot(self, job: str) -> Snapshot | None:
        try:
            return self._ledger.snapshot(job)
        except InvalidMessage:  # another version's: its own metrics tell of it
            return None


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="shardmill_worker.metrics", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--address", default="127.0.0.1")
    chosen = parser.parse_args()
    # Before the server's threads begin: they inherit it, so the signals come to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    registry = CollectorRegistry()
    ledger = Ledger(Settings.from_environment())
    registry.register(LedgerCollector(ledger))
    server, thread = start_http_server(chosen.port, chosen.address, registry)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.shutdown()
    thread.join()
    ledger.close_connections()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
