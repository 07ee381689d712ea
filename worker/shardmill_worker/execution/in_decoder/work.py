"""What a slot asks of its decoder, and what it gets back: values that travel through a pipe."""

import os
from typing import Final

from msgspec import Struct

from shardmill.contract.batch import Batch
from shardmill.contract.schema import Outcome
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.ledger.telemetry import Failure

PREPARE_S: Final = 600.0
"""Reading a table may take so long: a slow network drive is no file's fault."""
ROWS: Final = "rows.parquet"
"""Name of a manifest part in its attempt's directory, where it waits for its commit."""


class BatchWork(Struct, frozen=True, kw_only=True):
    """Do the stage of a batch."""

    job: Job
    run: str
    """The opening of the job: where the batch's table lies."""
    batch: Batch
    attempt: str
    """Tells this attempt's files from those of any other."""
    worker: str
    """Written into every row."""
    ledger_s: float = 0.0
    """Seconds that the attempt has spent on the ledger."""
    verdict: Outcome | None = None
    """What became of the batch's one row, which is not to be touched again; None does the stage."""

    @property
    def layout(self) -> Layout:
        """The output directory."""
        return Layout(self.job.out)

    @property
    def attempt_dir(self) -> str:
        """Directory of what the attempt writes; the slot makes it."""
        return self.layout.attempt(self.batch.id, self.attempt)

    @property
    def waiting_part(self) -> str:
        """Where the manifest part waits for its commit."""
        return os.path.join(self.attempt_dir, ROWS)


class CommittedWork(Struct, frozen=True, kw_only=True):
    """Count the rows of a batch that another attempt has committed, and find those it lacks."""

    job: Job
    run: str
    batch: Batch


class FinishWork(Struct, frozen=True, kw_only=True):
    """Write the results of a job whose batches are all counted."""

    job: Job
    run: str
    """Its run at hand: what it left is removed."""


Work = BatchWork | CommittedWork | FinishWork


class StageResult(Struct, frozen=True, kw_only=True):
    """What a batch leaves to the ledger."""

    counters: dict[str, int] = {}
    """What to add to the job's counters."""
    children: tuple[Batch, ...] = ()
    """Batches that follow."""
    has_part: bool = False
    """Whether a manifest part waits to be committed, or is: it decides which attempt counts."""
    failures: tuple[Failure, ...] = ()
    """The last files that failed, for people to see."""
    shortfall: str = ""
    """Why the job cannot end as done."""
