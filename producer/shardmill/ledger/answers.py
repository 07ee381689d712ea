"""What the ledger answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from shardmill.contract.batch import Batch
from shardmill.contract.job import State

Reserved = Literal["reserved", "known", "full", "behind", "paused", "cancelled", "done", "unknown"]
Claimed = Literal["claimed", "exhausted", "done", "busy", "stopped"]
Held = Literal["held", "lost", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's answer to a message."""

    verdict: Claimed
    """``claimed``: go on; ``exhausted``: split it or give it up; the others: walk away."""
    fence: int = 0
    """Number of this claim; a later one makes it void."""
    attempts: int = 0
    """Claims charged to the batch, this one included."""
    batch: Batch | None = None
    """What to do; None unless claimed or exhausted."""


@dataclass(frozen=True, slots=True)
class Live:
    """What running attempts have done so far, by estimate; for display only."""

    worked_us: int = 0
    """Work, microseconds of one core."""
    frames: int = 0
    """Frames stored."""

    @classmethod
    def total(cls, texts: Sequence[str]) -> Self:
        """Add up what beats have told."""
        pairs = [text.split() for text in texts]
        return cls(sum(int(w) for w, _ in pairs), sum(int(f) for _, f in pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A job as the ledger sees it at one moment."""

    state: State
    """``running``, ``paused``, ``cancelled`` or ``done``."""
    reason: str
    """Why it is paused."""
    out: str
    """Output directory."""
    inputs: int | None
    """Items to do; None while they are being counted."""
    counters: dict[str, int]
    """Everything that batches have added up: see ``contract.tally`` and the planner."""
    inflight: int
    """Batches reserved and not committed."""
    leased: int
    """Batches a worker holds."""
    live: Live
    """What running attempts have done so far."""
    seconds: float
    """Wall-clock time since the job began, until it ended."""
