"""The last stage of a job: a decoder writes its results; if it cannot, the job pauses at once."""

import math
from typing import Final

from shardmill.contract.errors import (
    MORE_MEMORY,
    DatasetDamaged,
    DecoderCrash,
    EnvironmentFault,
    InternalError,
    ItemError,
)
from shardmill.dataset.job import Job
from shardmill.ledger.answers import Claim
from shardmill.ledger.telemetry import Live
from shardmill_worker.execution.in_decoder.work import FinishWork
from shardmill_worker.execution.lease import Lease
from shardmill_worker.execution.supervisor import Limits, Slot

LIMITS: Final = Limits(rows=0, frame_s=0.0, idle_s=math.inf, memory_bytes=4 << 30)
"""What the last stage may take: a hundred thousand shards take minutes and a quarter of a GB."""
MAYBE_MEMORY: Final = f"most likely memory is short: {MORE_MEMORY}"


def finish(job: Job, claim: Claim, *, worker: str, slot: Slot, lease: Lease) -> str:
    """Have the results of a job written; return why it cannot end as done, or nothing.

    The decoder is new, since memory may be short, and ends with the stage, since no other work
    needs DuckDB.

    Args:
        job: A job whose batches are all counted.
        claim: Of its finish batch.
        worker: Name of this worker.
        slot: Has the decoder.
        lease: Is renewed meanwhile.

    Raises:
        ShuttingDown: The worker is ending.
        LeaseLost: The batch is no longer ours.
    """
    if claim.verdict == "exhausted":
        vanished = f"{claim.attempts - 1} workers vanished while they wrote the job's totals"
        return f"{vanished}; {MAYBE_MEMORY}"
    live = Live(worker=worker, stage="finish")
    slot.kill()
    try:
        slot.run(
            FinishWork(job=job, run=claim.run),
            limits=LIMITS,
            heartbeat=lambda _: lease.heartbeat(live),
            heartbeat_every_s=lease.heartbeat_every_s,
        )
    except DatasetDamaged as damage:
        return str(damage)
    except EnvironmentFault as fault:
        return f"{worker}: {fault}"
    except ItemError as error:
        return f"{worker}: cannot write the job's totals: {_explained(error)}"
    finally:
        slot.kill()
    return ""


def _explained(error: ItemError) -> str:
    if isinstance(error, DecoderCrash):
        return f"{error}; {MAYBE_MEMORY}"
    if isinstance(error, InternalError):
        return f"{error}; this is a bug, please report it"
    return f"its decoder {error}"
