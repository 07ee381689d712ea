"""``docs/scaling.md``: where a job of a thousand million files on a thousand workers would queue.

python benchmarks/scaling.py

A simulation of one producer, one Redis, one storage and many slots, event by event, with the costs
that ``scale.py``, ``ledger.py`` and ``extract.py`` measured.  Nothing is measured here.
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from page import number
from record import HERE, RESULTS, Record, load_all

from shardmill.catalog.work_order import MAX_IMAGES, MAX_VIDEOS, PROBED_TIMES
from shardmill.contract.settings import BATCHES_A_SLOT

DOCS = HERE.parent / "docs"
PROBE_ONLY = MAX_IMAGES * PROBED_TIMES
"""Pictures in a batch that is probed only."""
FILES = 10**9
WORKERS = (1, 10, 30, 100, 300, 1000)
SLOTS_A_WORKER = 16
EXTRACT_BATCH_S = 20.0
"""What the planner aims at for a batch."""
WINDOW = 64
"""Too small for many workers: to show what then happens."""
BEAT_EVERY_S = 1.0
OPENS_PER_S = 200_000.0
"""Of the storage: a figure to be replaced by one's own."""
WINDOWS = 4
"""How many windows full of batches are simulated; the first half warms up."""
SPREAD = 0.25
"""Batches last so much longer or shorter than their mean, at most."""
LEAST_LEFT = 0.05
"""Share of Redis that what comes by the clock leaves to batches, in the worst case: above it leases
would run out."""
VISITS = 3
"""To Redis a batch: in, out, done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a batch costs at each station, seconds."""

    title: str
    files: float
    """Files in a batch."""
    producer_s: float
    redis_s: float
    """Redis' own processor: queue, ledger, events."""
    storage_s: float
    slot_s: float
    beat_s: float
    """Redis' processor a beat."""
    own_share: float
    """Of Redis' processor, what it takes by the clock for nobody."""
    worker_share: float
    """Of Redis' processor, what an idle worker takes by the clock."""
    job_share: float
    """Of Redis' processor, what a job takes that is watched."""


@dataclass(slots=True)
class Station:
    """One server, first come, first served."""

    name: str
    service_s: float
    busy: Counter[str]
    """Receives the time at work."""
    free_at: float = 0.0

    def visit(self, now: float) -> float:
        """Return when somebody who comes now is done."""
        self.free_at = max(now, self.free_at) + self.service_s
        self.busy[self.name] += self.service_s
        return self.free_at


@dataclass(frozen=True, slots=True)
class Found:
    """How a simulated cluster works."""

    workers: int
    files_per_s: float
    busy: Mapping[str, float]
    """Station to its share of time at work."""

    @property
    def days(self) -> float:
        """How long the whole job would take."""
        return FILES / self.files_per_s / 86_400

    @property
    def limit(self) -> str:
        """The station that is busiest; the window if none is nearly full."""
        name = max(self.busy, key=lambda station: self.busy[station])
        return name if self.busy[name] > 0.9 else "window"


@dataclass
class Cluster:
    """A job in its steady state."""

    costs: Costs
    workers: int
    window: int
    free_slots: int = 0
    waiting: deque[float] = field(default_factory=deque)
    events: list[tuple[float, int, str]] = field(default_factory=list)
    in_flight: int = 0
    count: int = 0

    def run(self) -> Found:
        """Work through some batches a slot."""
        costs, slots = self.costs, self.workers * SLOTS_A_WORKER
        busy: Counter[str] = Counter()
        beating = min(slots, self.window) * costs.beat_s / BEAT_EVERY_S
        by_the_clock = beating + costs.own_share + costs.job_share
        by_the_clock += self.workers * costs.worker_share
        producer = Station("producer", costs.producer_s, busy)
        left = max(LEAST_LEFT, 1 - by_the_clock)
        redis = Station("Redis", costs.redis_s / VISITS / left, busy)
        storage = Station("storage", costs.storage_s, busy)
        chance = random.Random(0)  # noqa: S311 - no secret
        self.free_slots, done, now = slots, 0, 0.0
        total = max(2000, self.window * WINDOWS)
        began, before = 0.0, Counter(busy)
        self.at(producer.visit(0.0), "made")
        self.in_flight = 1
        while done < total:
            now, _, what = heapq.heappop(self.events)
            if what == "made":
                self.at(redis.visit(now), "queued")
                if self.in_flight < self.window:
                    self.in_flight += 1
                    self.at(producer.visit(now), "made")
            elif what == "queued":
                self.waiting.append(now)
            elif what == "claimed":
                length_s = costs.slot_s * chance.uniform(1 - SPREAD, 1 + SPREAD)
                busy["slots"] += length_s / slots
                self.at(storage.visit(now) + length_s, "worked")
            elif what == "worked":
                self.at(redis.visit(now), "done")
            else:
                done += 1
                self.free_slots += 1
                if done == total // 2:
                    began, before = now, Counter(busy)
                if self.in_flight == self.window:  # the producer stood still
                    self.at(producer.visit(now), "made")
                else:
                    self.in_flight -= 1
            while self.waiting and self.free_slots:
                self.waiting.popleft()
                self.free_slots -= 1
                self.at(redis.visit(now), "claimed")
        shares = {name: (busy[name] - before[name]) / (now - began) for name in busy}
        shares["Redis"] = shares["Redis"] * left + 1 - left
        rate = (total - total // 2) * costs.files / (now - began)
        return Found(self.workers, rate, {name: min(1.0, share) for name, share in shares.items()})

    def at(self, time_s: float, what: str) -> None:
        """Let something happen later."""
        self.count += 1
        heapq.heappush(self.events, (time_s, self.count, what))


def costs_of(records: Mapping[str, Record]) -> list[Costs]:
    """Return what the two jobs cost, from what was measured."""
    scale, ledger = records["scale"].figures, records["ledger"].figures
    clip_s = records["extract_kinetics"].figures["core_s_a_clip"]
    producer_s = scale["producer_us_a_file"] / 1e6
    shares = {
        f"{whose}_share": ledger[f"redis_ms_a_second_{whose}"] / 1e3
        for whose in ("own", "worker", "job")
    }
    clock_s = sum(shares.values()) * scale["seconds"]
    redis_s = scale["redis_us_a_batch"] / 1e6 - clock_s / scale["batches"]
    by_the_clock = shares | {"beat_s": ledger["redis_ms_a_beat"] / 1e3}
    clips = max(1.0, EXTRACT_BATCH_S / clip_s)
    return [
        Costs(
            title="probe pictures",
            files=PROBE_ONLY,
            producer_s=producer_s * PROBE_ONLY,
            redis_s=redis_s,
            storage_s=PROBE_ONLY / OPENS_PER_S,
            slot_s=scale["workers_us_a_file"] / 1e6 * PROBE_ONLY,
            **by_the_clock,
        ),
        Costs(
            title="extract ten-second clips",
            files=clips,
            producer_s=producer_s * clips,
            redis_s=redis_s * (1 + clips / MAX_VIDEOS),  # it was probed before
            storage_s=2 * clips / OPENS_PER_S,
            slot_s=clip_s * clips,
            **by_the_clock,
        ),
    ]


@cache
def simulated(costs: Costs, *, window: int | None) -> list[Found]:
    """Return how clusters of several sizes work; ``None`` is the default window."""
    return [
        Cluster(costs, workers, window or BATCHES_A_SLOT * workers * SLOTS_A_WORKER).run()
        for workers in WORKERS
    ]


def table(rows: list[Found]) -> str:
    """Return a Markdown table."""
    names = ("slots", "producer", "Redis", "storage")
    head = f"| workers | files/s | days for 10^9 | {' | '.join(names)} | limit |"
    lines = [head, "|" + "---:|" * (len(names) + 3) + "---|"]
    for row in rows:
        shares = " | ".join(f"{100 * row.busy[name]:.0f} %" for name in names)
        cells = f"| {row.workers:,} | {number(row.files_per_s)} | {number(row.days)} "
        lines.append(f"{cells}| {shares} | {row.limit} |")
    return "\n".join(lines)


def most(costs: Costs) -> str:
    """Return a Markdown table of the files that each station can pass on in a second."""
    slots = WORKERS[-1] * SLOTS_A_WORKER
    rates = {
        "one producer": costs.files / costs.producer_s,
        "one Redis": costs.files / costs.redis_s,
        "the storage, assumed": costs.files / costs.storage_s,
        f"{slots:,} slots": slots * costs.files / costs.slot_s,
    }
    lines = [f"| {costs.title} | files/s at most |", "|---|---:|"]
    return "\n".join(lines + [f"| {name} | {number(rate)} |" for name, rate in rates.items()])


def page(records: Mapping[str, Record]) -> str:
    """Return ``docs/scaling.md``."""
    probing, extracting = costs_of(records)
    text = (HERE / "scaling.in.md").read_text()
    parts = -(-FILES // PROBE_ONLY)
    slots = WORKERS[-1] * SLOTS_A_WORKER
    payload = records["ledger"].figures["payload_bytes"]
    needed = ("scale", "ledger", "extract_kinetics")
    small = [name for name in needed if not records[name].full]
    values = {
        "warning": "*The costs were measured at small scale: shapes hold, numbers do not.*"
        * bool(small),
        "slots_a_worker": f"{SLOTS_A_WORKER}",
        "slots": f"{slots:,}",
        "opens": f"{OPENS_PER_S:,.0f}",
        "producer_us": number(1e6 * probing.producer_s / probing.files),
        "redis_us": number(1e6 * probing.redis_s),
        "beat_us": number(1e6 * probing.beat_s),
        "own_ms": number(1e3 * probing.own_share),
        "worker_ms": number(1e3 * probing.worker_share),
        "job_ms": number(1e3 * probing.job_share),
        "idling": number(100 * WORKERS[-1] * probing.worker_share),
        "beating": number(100 * slots * probing.beat_s / BEAT_EVERY_S),
        "probe_us": number(1e6 * probing.slot_s / probing.files),
        "clip_ms": number(1e3 * extracting.slot_s / extracting.files),
        "clips": number(extracting.files),
        "parts": f"{parts / 1e6:.1f} million",
        "pictures": f"{PROBE_ONLY:,}",
        "videos": f"{MAX_VIDEOS}",
        "a_slot": f"{BATCHES_A_SLOT}",
        "fixed": f"{WINDOW}",
        "window_mb": number(BATCHES_A_SLOT * slots * payload / 1e6),
        "fixed_files": number(simulated(extracting, window=WINDOW)[-1].files_per_s),
        "enough_files": number(simulated(extracting, window=None)[-1].files_per_s),
        "most_probe": most(probing),
        "most_extract": most(extracting),
        "fixed_table": table(simulated(extracting, window=WINDOW)),
        "extract_table": table(simulated(extracting, window=None)),
        "probe_table": table(simulated(probing, window=None)),
    }
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text.replace("\n\n\n", "\n\n")  # where there is nothing to warn of


def plot(records: Mapping[str, Record], path: Path) -> None:
    """Draw files a second against workers."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "shardmill", "svg.fonttype": "none", "font.size": 10}):
        figure, panes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
        for axes, costs in zip(panes, costs_of(records), strict=True):
            ways = {
                "the default window": (None, "#0969da"),
                f"window {WINDOW}": (WINDOW, "#b35900"),
            }
            for name, (window, colour) in ways.items():
                rates = [found.files_per_s for found in simulated(costs, window=window)]
                axes.plot(WORKERS, rates, marker="o", label=name, color=colour)
            axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="files a second")
            axes.set_title(costs.title, loc="left", fontsize=10.5)
            axes.grid(color="#e6e9ec")
            axes.spines[["top", "right"]].set_visible(False)
        panes[0].legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    found = load_all(RESULTS)
    (DOCS / "scaling.md").write_text(page(found))
    plot(found, DOCS / "scaling.svg")
