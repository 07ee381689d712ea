"""The transitions of a job's state, one method each, one Lua script each."""

import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shardmill.contract import names
from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.errors import EnvironmentFault, InvalidMessage
from shardmill.contract.names import STAGES, Stage
from shardmill.contract.quantity import printable
from shardmill.contract.settings import Settings
from shardmill.dataset.job import Job, State
from shardmill.ledger import entries
from shardmill.ledger.answers import (
    ATTEMPT_BYTES,
    COMMITTED,
    RUN_BYTES,
    Claim,
    Committed,
    Faulted,
    Held,
    Reserved,
    Snapshot,
)
from shardmill.ledger.client import Client
from shardmill.ledger.entries import clamped
from shardmill.ledger.telemetry import NOTHING, Live, Telemetry

FINISH_ID: Final = FINISH.id
"""Name of a job's one finish batch."""
SWEEP_LIMIT: Final = 1000
"""Batches that one script returns or removes at most; the next call goes on behind them."""
SHOWN_S: Final = 300
"""For so long a job that has ended stays among the active ones: metrics read its last numbers."""
ACTIVE_LIMIT: Final = 1000
"""Jobs that one script looks at."""
FAULT_S: Final = 3600
"""A fault of a machine of which nothing more is heard counts for so long."""
KEEP_S: Final = 7 * 24 * 3600
"""For so long Redis remembers a job that is done or cancelled."""
LOST: Final = "Redis lost or damaged a part of the job: run the same command again to go on"


class Ledger:
    """All jobs of one Redis.

    Every method may raise ``LedgerUnavailable`` if Redis does not answer.

    Args:
        settings: Where Redis is.
        patience_s: How long a call waits for a Redis that has answered before and is away now.
        ended: Ends that waiting.
    """

    def __init__(
        self, settings: Settings, *, patience_s: float = 0.0, ended: threading.Event | None = None
    ) -> None:
        self._client = Client(settings, patience_s=patience_s, ended=ended)
        self._jobs: dict[str, tuple[Job, str]] = {}

    def close_connections(self) -> None:
        """Give up the connections to Redis."""
        self._client.close()

    @staticmethod
    def new_run() -> str:
        """Return a run number, which no other opening of a job has."""
        return secrets.token_hex(RUN_BYTES)

    def _run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        return self._client.run(name, keys, *arguments)

    def open(self, job: Job, counters: Mapping[str, int], *, run: str) -> None:
        """Begin a job, or take it up again.

        Args:
            job: The job.
            counters: What its manifest holds already; ``inputs`` is how many files there are.
            run: From ``new_run``: makes the files of this opening differ from those of any other.
        """
        values = entries.encode(job, counters, run=run)
        flat = [part for pair in values.items() for part in pair]
        keys = [names.job_key(job.name), names.JOBS, names.ACTIVE]
        keys += [*_sets(job.name), *_beside(job.name)]
        batches = names.batch_key(job.name, "")
        while self._run("open", keys, job.name, batches, SWEEP_LIMIT, *flat) == "again":
            pass  # a script that took out all at once might keep everybody waiting

    def reserve(self, job: str, batch: Batch, *, window: int, number: int) -> Reserved:
        """Put the producer's next batch in flight if the job runs and fewer than ``window`` are.

        Args:
            job: Name of the job.
            batch: What to do.
            window: Batches in flight at most.
            number: Of the batch, counted from 1 since the job was opened.
        """
        keys = [names.job_key(job), *_sets(job), names.batch_key(job, batch.id)]
        answer: Reserved = self._run(
            "reserve", keys, batch.id, batch.stage, batch.encode(), window, number
        )
        return answer

    def claim(
        self, job: str, batch_id: str, *, worker: str, lease_s: float, max_attempts: int
    ) -> Claim:
        """Take a batch for one lease; counted before any file is opened.

        Raises:
            InvalidMessage: The ledger's payload is no batch; the batch was dropped.
        """
        attempt = secrets.token_hex(ATTEMPT_BYTES)
        owner = f"{worker}/{attempt}"
        verdict, *rest = self._run(
            "claim", _batch_keys(job, batch_id), batch_id, owner, _ms(lease_s), max_attempts
        )
        if not rest:
            return Claim(verdict=verdict)
        fence, attempts, payload = rest
        try:
            batch = Batch.decode(batch_id, payload)
        except InvalidMessage:
            self._run("drop", _batch_keys(job, batch_id), batch_id, fence)
            raise
        return Claim(
            verdict=verdict,
            fence=int(fence),
            token=attempt,
            attempts=int(attempts),
            batch=batch,
        )

    def heartbeat(self, job: str, batch_id: str, *, fence: int, lease_s: float, live: Live) -> Held:
        """Renew a lease and tell how much of the batch's estimated work is done."""
        keys = [names.job_key(job), names.lease_key(job), names.live_key(job)]
        keys.append(names.batch_key(job, batch_id))
        answer: Held = self._run("heartbeat", keys, batch_id, fence, _ms(lease_s), live.encode())
        return answer

    def commit(
        self,
        job: str,
        batch_id: str,
        *,
        counters: Mapping[str, int],
        children: Sequence[Batch],
        fence: int | None = None,
        telemetry: Telemetry = NOTHING,
    ) -> Committed:
        """Count a batch and put its children in flight; tell whether it was the last.

        Args:
            job: Name of the job.
            batch_id: Name of the batch.
            counters: What to add to the job's counters.
            children: Batches that follow from this one.
            fence: Of the claim, where no manifest part has decided which attempt counts: nothing
                happens if there was a later claim.
            telemetry: What people are to see of it while the job runs.
        """
        keys = [*_batch_keys(job, batch_id), *_beside(job)[1:]]
        keys += [names.batch_key(job, child.id) for child in children]
        added = [(name, clamped(amount)) for name, amount in counters.items() if amount]
        answer: int = self._run(
            "commit",
            keys,
            *(batch_id, "" if fence is None else fence, _ms(KEEP_S), telemetry.worker),
            *(len(added), len(telemetry.failures)),
            *(part for pair in added for part in pair),
            *(failure.encode() for failure in telemetry.failures),
            *(part for c in children for part in (c.id, c.stage, c.encode())),
        )
        return COMMITTED[answer]

    def release(self, job: str, batch_id: str, *, fence: int) -> bool:
        """Give a batch back, uncharged; False if it was no longer held."""
        return bool(self._run("release", _batch_keys(job, batch_id), batch_id, fence))

    def fault(self, job: str, *, worker: str, reason: str) -> Faulted:
        """Note that a worker cannot work on a job now; pause the job once no worker can.

        Args:
            job: Name of the job.
            worker: Name of the worker; what it commits next takes the note away.
            reason: What is wrong with its machine, one sentence.
        """
        keys = [names.job_key(job), names.WORKERS, names.faults_key(job)]
        answer: Faulted = self._run("fault", keys, worker, printable(reason), _ms(FAULT_S))
        return answer

    def close(self, job: str, *, batches: int) -> None:
        """Tell that every input is enumerated.

        Args:
            job: Name of the job.
            batches: How many were reserved since the job was opened.

        Raises:
            EnvironmentFault: Redis has lost the job, or batches of it.
        """
        if self._run("close", [names.job_key(job)], batches) != "closed":
            raise EnvironmentFault(LOST)

    def enqueue_finish(self, job: str) -> bool:
        """Put the finish batch in flight if nothing else is left; True for one caller only.

        A job of which a batch was lost is paused with the reason instead.
        """
        keys = [names.job_key(job), *_sets(job), names.batch_key(job, FINISH_ID)]
        return bool(self._run("enqueue_finish", keys, FINISH_ID, FINISH.encode(), LOST))

    def requeue_expired(self, job: str, *, messages_missing: bool, grace_s: float) -> list[Batch]:
        """Take expired leases back; return the names and stages of batches to be sent again.

        Args:
            job: Name of the job.
            messages_missing: The queues hold fewer messages than batches wait, so those that
                wait longer than ``grace_s`` are sent again too.
            grace_s: How long a message may be on its way.
        """
        keys = [names.job_key(job), *_sets(job), names.live_key(job)]
        due = self._run("requeue_expired", keys, int(messages_missing), _ms(grace_s), SWEEP_LIMIT)
        stages = self._stages(job, due)
        return [Batch(id=name, stage=stage) for name, stage in zip(due, stages, strict=True)]

    def _stages(self, job: str, batch_ids: Sequence[str]) -> list[Stage]:
        """Return the stage of each batch; any where it cannot be read, for a claim drops those."""
        ledger = self._client.ledger

        def look() -> list[Any]:
            with ledger.pipeline(transaction=False) as pipe:
                for batch_id in batch_ids:
                    pipe.hget(names.batch_key(job, batch_id), "stage")
                return pipe.execute()

        found = self._client.call(look)
        return [next((stage for stage in STAGES if stage == text), STAGES[0]) for text in found]

    def set_state(
        self, job: str, state: State, *, reason: str = "", allowed: Sequence[State]
    ) -> bool:
        """Change a job's state if it is one of ``allowed``; True if it was."""
        keys = [names.job_key(job), *_beside(job)[1:]]
        answer = self._run("set_state", keys, state, printable(reason), _ms(KEEP_S), *allowed)
        return bool(answer == "shifted")

    def job(self, name: str) -> tuple[Job, str] | None:
        """Return a job and its run number; None if the ledger does not know it.

        Raises:
            InvalidMessage: The entry is no job of this version.
        """
        values: Any = self._client.call(lambda: self._client.ledger.hgetall(names.job_key(name)))
        return entries.decode(name, values) if values else None

    def job_of(self, name: str, run: str) -> Job | None:
        """Return the job of a run, read once; None if the ledger knows another or none.

        Raises:
            InvalidMessage: The entry is no job of this version.
        """
        known = self._jobs.get(name)
        if known is None or known[1] != run:
            known = self.job(name)
            if known is None or known[1] != run:
                return None
            self._jobs[name] = known
        return known[0]

    def snapshot(self, name: str) -> Snapshot | None:
        """Return a job's numbers; None if the ledger does not know it.

        Raises:
            InvalidMessage: The entry is no job of this version.
        """
        keys = [names.job_key(name), *_sets(name), *_beside(name)]
        return entries.snapshot(name, self._run("snapshot", keys))

    def queued(self) -> int:
        """Return how many messages wait in the queues."""

        def look() -> list[Any]:
            with self._client.queues.pipeline(transaction=False) as pipe:
                for queue in names.QUEUES.values():
                    pipe.llen(queue)
                return pipe.execute()

        return sum(self._client.call(look))

    def active(self) -> dict[str, int | None]:
        """Return the jobs that run, are paused, or ended in the last ``SHOWN_S``, sorted by name.

        Each comes with the number of messages that it should have, 0 while it is paused; None
        once nothing of it is left to do.
        """
        found: Any = self._client.call(lambda: self._client.ledger.smembers(names.ACTIVE))
        listed = sorted(found)
        answers: dict[str, Any] = {}
        for first in range(0, len(listed), ACTIVE_LIMIT):
            chunk = listed[first : first + ACTIVE_LIMIT]
            keys = [key for name in chunk for key in (names.job_key(name), *_sets(name))]
            told = self._run("active", [names.ACTIVE, *keys], _ms(SHOWN_S), *chunk)
            answers |= zip(chunk, told, strict=True)
        return {
            name: None if answer == "ended" else answer
            for name, answer in answers.items()
            if answer != "left"
        }

    def list_again(self) -> None:
        """Put every job that Redis knows on the list of the active ones.

        Those that have ended leave it at the next look.  A list that was lost, or written by a
        version without one, is whole again.
        """
        known = self.jobs()
        if known:
            self._client.call(lambda: self._client.ledger.sadd(names.ACTIVE, *known))

    def jobs(self) -> list[str]:
        """Return the names of all jobs, sorted; those that Redis forgot leave the list."""
        found: Any = self._client.call(lambda: self._client.ledger.smembers(names.JOBS))
        known = sorted(found)

        def look() -> list[Any]:
            with self._client.ledger.pipeline(transaction=False) as pipe:
                for name in known:
                    pipe.exists(names.job_key(name), *_sets(name))
                return pipe.execute()

        there = self._client.call(look) if known else []
        for name, exists in zip(known, there, strict=True):
            if not exists:
                keys = [names.JOBS, names.ACTIVE, names.job_key(name)]
                keys += [*_sets(name), *_beside(name)]
                self._run("forget", keys, name)
        return [name for name, exists in zip(known, there, strict=True) if exists]

    def lead(self, worker: str, *, seconds: float) -> bool:
        """Become or stay the worker that looks for lost messages, for so long; True if it is."""
        ledger = self._client.ledger

        def take() -> bool:
            if ledger.set(names.RECONCILER, worker, nx=True, px=_ms(seconds)):
                return True
            if ledger.get(names.RECONCILER) != worker:
                return False
            return bool(ledger.pexpire(names.RECONCILER, _ms(seconds)))

        return self._client.call(take)

    def register_worker(self, worker: str, *, slots: int, forget_after_s: float) -> None:
        """Tell that a worker is alive; forget those not seen for a while."""
        self._run(
            "register_worker", [names.WORKERS, names.SLOTS], worker, _ms(forget_after_s), slots
        )

    def unregister_worker(self, worker: str) -> None:
        """Tell that a worker is leaving."""
        self._run("unregister_worker", [names.WORKERS, names.SLOTS], worker)

    def slots(self) -> int:
        """Return how many slots the workers seen lately have together."""
        found: Any = self._client.call(lambda: self._client.ledger.hvals(names.SLOTS))
        return sum(int(slots) for slots in found)

    def workers(self) -> list[str]:
        """Return the workers seen lately."""
        found: Any = self._client.call(lambda: self._client.ledger.zrange(names.WORKERS, 0, -1))
        return list(found)


def _sets(job: str) -> list[str]:
    """A batch in flight is in exactly one of these."""
    return [names.waiting_key(job), names.lease_key(job)]


def _beside(job: str) -> list[str]:
    """What workers add to a job while they work on it, and what goes with its end."""
    shown = [names.live_key(job), names.share_key(job), names.failures_key(job)]
    return [*shown, names.faults_key(job)]


def _batch_keys(job: str, batch_id: str) -> list[str]:
    """The keys of a transition of one batch, in the order of their scripts."""
    live, batch = names.live_key(job), names.batch_key(job, batch_id)
    return [names.job_key(job), *_sets(job), live, batch]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
