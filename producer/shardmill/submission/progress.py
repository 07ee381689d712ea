"""How far a job is and how fast it goes, from one look at the ledger to the next."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from shardmill.contract.sampling import NS_PER_S
from shardmill.contract.tally import Tally
from shardmill.ledger.answers import Snapshot

RATE_SPAN_S: Final = 15.0
"""Rates are means over this long."""
MIN_SPAN_S: Final = 2.0
"""Nothing is foretold from less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job at one moment."""

    snapshot: Snapshot
    tally: Tally
    inputs: int | None
    """Items to do; None while they are being counted."""
    probed: int
    """Items probed."""
    probe_rate_hz: float
    """Items probed a second."""
    frames: int
    """Frames stored; those of running batches by estimate."""
    frames_expected: int
    """Frames to store, as planned so far and extended to what is not probed yet."""
    frame_rate_hz: float
    """Frames a second."""
    video_s: float
    """Seconds of video done."""
    share_done: float
    """Part of the whole work that is done, 0 to 1, by estimated cost and not by file count."""
    eta_s: float | None
    """Seconds left; None while too little is known."""


class Meter:
    """Turns snapshots, in the order they were taken, into progress."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int, int]] = deque()

    def read(self, snapshot: Snapshot) -> Progress:
        """Return the progress at ``snapshot``, with rates since about ``RATE_SPAN_S`` before."""
        counters = snapshot.counters
        tally = Tally.from_counters(counters)
        probed = counters.get("probed", 0)
        planned_us, worked_us = counters.get("planned_us", 0), counters.get("worked_us", 0)
        # What is not probed yet will cost what the probed inputs cost on average.
        new = counters.get("planned_items", 0)
        unprobed = max(0, (snapshot.inputs or probed) - probed)
        growth = 1 + unprobed / new if new else 1.0
        planned_frames = counters.get("planned_frames", 0)
        whole_us = planned_us * growth
        worked_us += snapshot.live.worked_us
        frames = tally.frames + snapshot.live.frames
        share = min(1.0, worked_us / whole_us) if whole_us else 0.0
        if snapshot.state == "done":
            share = 1.0
        now = snapshot.seconds
        self._seen.append((now, probed, frames, worked_us))
        while now - self._seen[0][0] > RATE_SPAN_S:
            self._seen.popleft()
        then, probed_then, frames_then, worked_then_us = self._seen[0]
        span = now - then
        pace = (worked_us - worked_then_us) / span if span >= MIN_SPAN_S else 0.0
        return Progress(
            snapshot=snapshot,
            tally=tally,
            inputs=snapshot.inputs,
            probed=probed,
            probe_rate_hz=(probed - probed_then) / span if span > 0 else 0.0,
            frames=frames,
            frames_expected=round(planned_frames * growth),
            frame_rate_hz=max(0, frames - frames_then) / span if span > 0 else 0.0,
            video_s=tally.video_ns / NS_PER_S,
            share_done=share,
            eta_s=max(0.0, whole_us - worked_us) / pace if pace > 0 else None,
        )
