"""One worker's attempt at one batch: claim, do, commit.

The order is the promise: the data is durable, then the manifest part appears under its name
(the commit: the first one wins), then the ledger counts it, then messages for what follows are
sent.  Whatever dies in between, the next attempt finds what is done and goes on from there.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct, field

from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.errors import (
    DatasetDamaged,
    EnvironmentFault,
    InvalidMessage,
    LedgerUnavailable,
)
from shardmill.contract.settings import Settings
from shardmill.contract.title import title
from shardmill.dataset.job import Job
from shardmill.ledger.answers import Claim
from shardmill.ledger.ledger import LOST, Ledger
from shardmill.ledger.telemetry import Telemetry
from shardmill_worker.execution.backoff import Backoff
from shardmill_worker.execution.lease import Lease
from shardmill_worker.execution.path_access import obstacle
from shardmill_worker.execution.stage import Stage
from shardmill_worker.execution.summary_text import summary_text
from shardmill_worker.execution.supervisor import Decoders, LeaseLost, ShuttingDown

Publish = Callable[[str, Iterable[Batch]], None]
"""Sends the messages of a job's batches."""
Tell = Callable[[str, str], None]
"""Shows people what the attempt at hand works on, and how far it is."""


class Worker(Struct, frozen=True, kw_only=True):
    """What every attempt of a worker needs."""

    name: str
    """Written into rows and logs."""
    settings: Settings
    ledger: Ledger
    decoders: Decoders
    publish: Publish
    tell: Tell
    backoff: Backoff = field(default_factory=Backoff)


def perform(worker: Worker, job_name: str, batch_id: str) -> str:
    """Answer one message; return in a few words what became of it.

    Raises:
        LedgerUnavailable: Redis does not answer.
        InvalidMessage: The ledger's entry is not ours.
    """
    settings, ledger = worker.settings, worker.ledger
    worker.backoff.wait(worker.decoders.stopping)
    began_s = time.perf_counter()
    claim = ledger.claim(
        job_name,
        batch_id,
        worker=worker.name,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
    )
    if claim.batch is None:
        return claim.verdict
    lease = _lease(worker, job_name, batch_id, claim)
    try:
        job = _job_of(ledger, job_name, claim.run, lease)
        lease.ledger_s = time.perf_counter() - began_s
        _check_reach(settings, job)
        stage = Stage(
            job,
            claim,
            worker=worker.name,
            slot=worker.decoders.slot(),
            lease=lease,
            idle_s=settings.idle_s,
        )
        done = stage.do()
    except ShuttingDown:
        lease.release()
        return "released"
    except InvalidMessage:
        lease.release()
        raise
    except LeaseLost:
        lease.release()  # of a cancelled job the batch goes at once
        return "lost"
    except LedgerUnavailable:
        raise
    except (OSError, DatasetDamaged) as fault:  # OSError: an EnvironmentFault, or one of our own
        if not lease.release():
            return "lost"  # who came after us has taken our directory away
        return _cannot(worker, job_name, fault)
    worker.backoff.reset()
    if done.shortfall and lease.holds():
        ledger.set_state(job_name, "paused", reason=done.shortfall, allowed=["running"])
    telemetry = Telemetry(worker.name, done.failures)
    counted = lease.commit(
        done.counters, done.children, only_if_held=not done.has_part, telemetry=telemetry
    )
    worker.publish(job_name, done.children)
    if counted != "counted":  # known: of a call whose answer was lost nobody knows what it said
        publish_finish(worker, job_name)
    return summary_text(done.counters, followers=len(done.children))


def _cannot(worker: Worker, job_name: str, fault: OSError | DatasetDamaged) -> str:
    """Leave a job to other workers, or pause it if there is none that can work on it."""
    reason = f"{worker.name}: {fault}"
    if isinstance(fault, DatasetDamaged):
        worker.ledger.set_state(job_name, "paused", reason=reason, allowed=["running"])
        return f"paused: {fault}"
    if worker.ledger.fault(job_name, worker=worker.name, reason=reason) == "noted":
        worker.backoff.extend()
        return f"left to other workers: {fault}"
    worker.backoff.reset()
    return f"paused: {fault}"


def _lease(worker: Worker, job: str, batch_id: str, claim: Claim) -> Lease:
    assert claim.batch is not None
    return Lease(
        worker.ledger,
        job,
        batch_id,
        fence=claim.fence,
        lease_s=worker.settings.lease_s,
        tell=partial(worker.tell, title(job, claim.batch)),
    )


def _job_of(ledger: Ledger, name: str, run: str, lease: Lease) -> Job:
    """Return the job of a claim; one that cannot be read ends, for ``OUT`` tells what it was."""
    try:
        return _read_job(ledger, name, run, lease)
    except InvalidMessage:
        ledger.set_state(name, "cancelled", reason=LOST, allowed=["running"])
        raise


def _read_job(ledger: Ledger, name: str, run: str, lease: Lease) -> Job:
    job = ledger.job_of(name, run)
    if job is not None:
        return job
    if lease.holds():
        raise InvalidMessage(f"expected job {name!r} to be in run {run}, as its batches are")
    raise LeaseLost  # it was opened again meanwhile


def publish_finish(worker: Worker, job_name: str) -> None:
    """Have a job finished if nothing of it is left to do."""
    if worker.ledger.enqueue_finish(job_name):
        worker.publish(job_name, [FINISH])


def _check_reach(settings: Settings, job: Job) -> None:
    for path in (*job.roots.paths, job.out):
        found = obstacle(path, settings.root_list)
        if found is not None:
            raise EnvironmentFault(found)
