"""What the ledger answers."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

from msgspec import Struct, field

from shardmill.contract.batch import Batch
from shardmill.dataset.job import State, Status
from shardmill.dataset.tally import Tally
from shardmill.ledger.telemetry import Failure, Live, Share

Reserved = Literal["reserved", "known", "full", "behind", "paused", "cancelled", "done", "unknown"]
Claimed = Literal["claimed", "exhausted", "done", "busy", "stopped"]
Held = Literal["held", "lost", "cancelled"]
Faulted = Literal["noted", "paused", "stopped"]
Committed = Literal["known", "counted", "last"]
COMMITTED: Final[tuple[Committed, ...]] = get_args(Committed)
"""By the number that the script answers with."""

RUN_BYTES: Final = 4
"""Of the number that tells one opening of a job from all others."""
ATTEMPT_BYTES: Final = 4
"""Of the random number that tells one claim of a batch from all others, whatever Redis forgot."""
CLAIM_BITS: Final = 20
"""Of a fence that count the claims of a batch; those above are the run's."""


class Claim(Struct, frozen=True, kw_only=True):
    """A worker's answer to a message."""

    verdict: Claimed
    """``claimed``: go on; ``exhausted``: split it or give it up; the others: walk away."""
    fence: int = 0
    """Number of this claim; a later one makes it void, and so does opening the job again."""
    token: str = ""
    """Random, of this call alone: a Redis that went back a second gives a fence out twice."""
    attempts: int = 0
    """Claims charged to the batch, this one included."""
    batch: Batch | None = None
    """What to do; None unless claimed or exhausted."""

    @property
    def run(self) -> str:
        """The opening of the job that it is a claim of."""
        return f"{self.fence >> CLAIM_BITS:0{2 * RUN_BYTES}x}"

    @property
    def attempt(self) -> str:
        """Part of the names of the attempt's files, which no other attempt has."""
        return f"{self.token}{self.run}"


class Snapshot(Struct, frozen=True, kw_only=True):
    """A job as the ledger sees it at one moment."""

    state: State
    """``running``, ``paused``, ``cancelled`` or ``done``."""
    reason: str
    """Why it is paused."""
    out: str
    """Output directory."""
    run: str = ""
    """Tells this opening of the job from others."""
    inputs: int | None
    """Files to do; None while they are being counted."""
    counters: dict[str, int]
    """Everything that batches have added up: see ``contract.tally`` and the planner."""
    inflight: int
    """Batches reserved and not committed."""
    leased: int
    """Batches a worker holds."""
    live: Live
    """What running attempts have done so far, together."""
    seconds: float
    """Wall-clock time since the job began, until it ended."""
    held: Sequence[Live] = ()
    """What each running attempt has told last."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    """What each worker has committed since the job was opened."""
    failures: Sequence[Failure] = ()
    """The last files that failed since then, the newest first."""

    @property
    def enumerated(self) -> bool:
        """Whether the producer has told that there are no more batches of its own."""
        return bool(self.counters.get("enumerated"))

    @property
    def finishing(self) -> bool:
        """Whether the end of the job is all that is in flight."""
        return bool(self.counters.get("finishing"))

    def status(self, job: str) -> Status:
        """Return how far the job is, by its name."""
        return Status(
            job=job,
            state=self.state,
            out=self.out,
            inputs=self.inputs,
            tally=Tally.from_counters(self.counters),
            seconds=self.seconds,
            reason=self.reason,
        )
