"""Names that several processes share: tasks, queues, Redis keys.  Each is written here only."""

from typing import Final, Literal, get_args

Stage = Literal["probe", "extract", "finish"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

APP: Final = "shardmill"
TASKS: Final[dict[Stage, str]] = {stage: f"shardmill.{stage}" for stage in STAGES}
"""Celery task of each stage.  Its arguments are ``[job, batch_id]``."""
QUEUES: Final[dict[Stage, str]] = {stage: f"shardmill.{stage}" for stage in STAGES}
"""Celery queue of each stage: one Redis list of the same name."""
SEES: Final = "shardmill_sees"
"""Celery control command: does a worker see these directories?"""

JOBS: Final = "shardmill:jobs"
"""Set of the names of all jobs in the ledger."""
ACTIVE: Final = "shardmill:active"
"""Set of those of them that run, are paused, or ended in the last minutes."""
RECONCILER: Final = "shardmill:reconciler"
"""Lock of the one worker that looks for lost messages."""
WORKERS: Final = "shardmill:workers"
"""Sorted set of the workers by the time they were last seen, ms."""
SLOTS: Final = "shardmill:slots"
"""Hash: worker to its number of slots."""


def job_key(job: str) -> str:
    """Hash: state, reason, out, root, spec, and every counter of the job."""
    return f"shardmill:{job}:job"


def waiting_key(job: str) -> str:
    """Sorted set: batches in flight that nobody holds, by the time of their message, ms.

    0 for those that surely have none.
    """
    return f"shardmill:{job}:waiting"


def lease_key(job: str) -> str:
    """Sorted set: batches in flight that a worker holds, by the time their lease ends, ms."""
    return f"shardmill:{job}:lease"


def live_key(job: str) -> str:
    """Hash: batch to what its running attempt has done so far, for display only."""
    return f"shardmill:{job}:live"


def share_key(job: str) -> str:
    """Hash: what each worker has committed in this run, for display only."""
    return f"shardmill:{job}:share"


def failures_key(job: str) -> str:
    """List: the last files that failed in this run, for display only."""
    return f"shardmill:{job}:failures"


def faults_key(job: str) -> str:
    """Hash: worker to why it cannot work on the job now."""
    return f"shardmill:{job}:faults"


def batch_key(job: str, batch_id: str) -> str:
    """Hash: stage, payload, attempts, fence and owner of one batch in flight."""
    return f"shardmill:{job}:batch:{batch_id}"
