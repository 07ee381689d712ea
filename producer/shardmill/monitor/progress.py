"""How far a job is and how fast it goes, from one look at the ledger to the next."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field

from shardmill.contract.options.sampling import NS_PER_S
from shardmill.dataset.job import Status
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Failure, Live, Share
from shardmill.monitor.eta import Foresight

RATE_SPAN_S: Final = 15.0
"""Rates of now are means over this long."""
KEEP_EVERY_S: Final = 0.5
"""Looks that follow each other faster are not all kept."""
MOST_WORKERS: Final = 32
"""So many of the busiest are told to machines."""
NOBODY: Final = Share()


class WorkerProgress(Struct, frozen=True, kw_only=True):
    """One worker that has done something lately, or holds something."""

    worker: str
    """Its name."""
    probe_rate_hz: float
    """Files it probes a second."""
    frame_rate_hz: float
    """Frames it stores a second."""
    held: Sequence[Live]
    """What it works on."""

    def encode(self) -> dict[str, Any]:
        """Return one of ``workers`` of ``watch --json``."""
        return {
            "worker": self.worker,
            "probe_rate_hz": round(self.probe_rate_hz, 3),
            "frame_rate_hz": round(self.frame_rate_hz, 3),
            "batches": [
                {
                    "stage": live.stage,
                    "file": live.file,
                    "files_done": live.answered,
                    "files": live.items,
                }
                for live in self.held
            ],
        }


class Progress(Struct, frozen=True, kw_only=True):
    """A job at one moment."""

    job: str
    """Name of the job."""
    snapshot: Snapshot
    tally: Tally
    inputs: int | None
    """Files to do; None while they are being counted."""
    probed: int
    """Files probed, those of running batches included."""
    probe_rate_hz: float
    """Files probed a second, now."""
    probe_mean_hz: float
    """Files probed a second, since this run began."""
    frames: int
    """Frames stored; those of running batches by estimate."""
    frames_expected: int
    """Frames at the end, as planned so far and extended to what is not probed yet."""
    frame_rate_hz: float
    """Frames a second, now."""
    frame_mean_hz: float
    """Frames a second, since this run began."""
    video_s: float
    """Seconds of video done."""
    share_done: float
    """Part of the whole work that is done, 0 to 1, by estimated cost and not by file count."""
    eta_s: float | None
    """Seconds left, the best guess; None while too little is known."""
    eta_range_s: tuple[float, float] | None
    """Seconds left, at least and at most; None while too little is known."""
    workers: Sequence[WorkerProgress] = field(default_factory=tuple)
    """Who is at work, by name."""

    def encode(self) -> dict[str, Any]:
        """Return what ``watch --json`` tells besides the status."""
        spans = self.eta_range_s
        busiest = sorted(self.workers, key=lambda each: -each.frame_rate_hz)[:MOST_WORKERS]
        return {
            "probed": self.probed,
            "probe_rate_hz": round(self.probe_rate_hz, 3),
            "probe_mean_hz": round(self.probe_mean_hz, 3),
            "frames_now": self.frames,
            "frames_expected": self.frames_expected,
            "frame_rate_hz": round(self.frame_rate_hz, 3),
            "frame_mean_hz": round(self.frame_mean_hz, 3),
            "share_done": round(self.share_done, 6),
            "eta_s": [round(seconds, 1) for seconds in spans] if spans else None,
            "workers_at_work": len(self.workers),
            "workers": [each.encode() for each in busiest],
            "last_failures": [
                {"class": each.error_class, "path": each.path, "message": each.message}
                for each in self.last_failures
            ],
        }

    @property
    def last_failures(self) -> Sequence[Failure]:
        """The last files that failed in this run, the newest first."""
        return self.snapshot.failures

    @property
    def finishing(self) -> bool:
        """Whether nothing is left but the job's last batch."""
        return self.snapshot.state == "running" and bool(self.snapshot.counters.get("finishing"))


class _Look(Struct, frozen=True):
    """What counts for rates, at one moment."""

    seconds: float
    probed: int
    frames: int
    shares: dict[str, Share]


class Meter:
    """Turns snapshots, in the order they were taken, into progress."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._seen: deque[_Look] = deque()
        self._foresight = Foresight()

    def read(self, snapshot: Snapshot) -> Progress:
        """Return the progress at ``snapshot``, with rates since about ``RATE_SPAN_S`` before."""
        counters = snapshot.counters
        tally = Tally.from_counters(counters)
        probing = sum(live.answered for live in snapshot.held if live.stage == "probe")
        probed = counters.get("probed", 0) + probing
        if snapshot.inputs is not None:
            probed = min(probed, snapshot.inputs)
        look = _Look(
            snapshot.seconds, probed, tally.frames + snapshot.live.frames, _shares(snapshot)
        )
        then = self._since(look)
        span = look.seconds - then.seconds
        work = self._foresight.read(snapshot)
        before = counters.get("frames_before", 0)
        new_expected = round(counters.get("planned_frames", 0) * work.growth)
        expected = before + new_expected
        if new_expected:
            share = (before + work.share * new_expected) / expected
        else:  # nothing is planned yet: as many inputs as an earlier run has done
            share = counters.get("probed_before", 0) / max(1, snapshot.inputs or 0)
        return Progress(
            job=self._job,
            snapshot=snapshot,
            tally=tally,
            inputs=snapshot.inputs,
            probed=probed,
            probe_rate_hz=_rate(probed - then.probed, span),
            probe_mean_hz=_rate(probed - counters.get("probed_before", 0), look.seconds),
            frames=look.frames,
            frames_expected=expected,
            frame_rate_hz=_rate(look.frames - then.frames, span),
            frame_mean_hz=_rate(look.frames - before, look.seconds),
            video_s=tally.video_ns / NS_PER_S,
            share_done=1.0 if snapshot.state == "done" else share,
            eta_s=work.eta_s,
            eta_range_s=work.eta_range_s,
            workers=_workers(snapshot, look, then, span),
        )

    def _since(self, look: _Look) -> _Look:
        """Keep a look; return the one from which on its rates are."""
        while self._seen and look.seconds - self._seen[0].seconds > RATE_SPAN_S:
            self._seen.popleft()
        if not self._seen or look.seconds - self._seen[-1].seconds >= KEEP_EVERY_S:
            self._seen.append(look)
        return self._seen[0]


def at_rest(status: Status) -> Progress:
    """Return the progress of a job at which nobody works."""
    tally = status.tally
    counters = tally.counters() | {"probed": tally.files, "probed_before": tally.files}
    snapshot = Snapshot(
        state=status.state,
        reason=status.reason,
        out=status.out,
        inputs=status.inputs,
        counters=counters | {"frames_before": tally.frames},
        inflight=0,
        leased=0,
        live=Live(),
        seconds=status.seconds,
    )
    return Meter(status.job).read(snapshot)


def _rate(amount: int, seconds: float) -> float:
    return max(0, amount) / seconds if seconds > 0 else 0.0


def _shares(snapshot: Snapshot) -> dict[str, Share]:
    """Return what each worker has done in this run, what it holds by estimate."""
    shares = dict(snapshot.shares)
    for live in snapshot.held:
        done = shares.get(live.worker, NOBODY)
        answered = live.answered if live.stage == "probe" else 0
        shares[live.worker] = Share(done.probed + answered, done.frames + live.frames)
    return shares


def _workers(
    snapshot: Snapshot, look: _Look, then: _Look, span: float
) -> tuple[WorkerProgress, ...]:
    """Return the workers that hold something or have committed something since ``then``."""
    held: dict[str, list[Live]] = {}
    for live in snapshot.held:
        held.setdefault(live.worker, []).append(live)
    found = [
        WorkerProgress(
            worker=worker,
            probe_rate_hz=_rate(share.probed - then.shares.get(worker, NOBODY).probed, span),
            frame_rate_hz=_rate(share.frames - then.shares.get(worker, NOBODY).frames, span),
            held=tuple(held.get(worker, ())),
        )
        for worker, share in sorted(look.shares.items())
        if worker
    ]
    return tuple(each for each in found if each.held or each.probe_rate_hz or each.frame_rate_hz)
