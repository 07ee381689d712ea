"""Finds work that the queue has lost: expired leases and messages that never arrived.

A thread in every worker; one of them leads at a time.  The queue may lose or double messages;
batches in flight, less those leased, less the messages waiting, are those to send again.
"""

import logging
import threading
import time
from typing import Final

from shardmill.contract.errors import LedgerUnavailable
from shardmill_worker.execution.attempt import Worker, publish_finish

PERIOD_S: Final = 1.0
LEAD_S: Final = 10.0
"""How long a leader that has gone quiet stays leader: so long, or a lease if that is shorter."""
MESSAGE_GRACE_S: Final = 5.0
"""How long a message may be between queue and claim before it counts as lost."""
FORGET_WORKER_S: Final = 15.0
LIST_PERIOD_S: Final = 600.0
"""How often all jobs are listed: those that Redis forgot leave the list, lost ones come back."""

log = logging.getLogger("shardmill.reconciler")


class Reconciler:
    """The thread of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._ended = threading.Event()
        self._list_due_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            try:
                self._look()
            except (LedgerUnavailable, OSError) as fault:
                log.warning("Redis is away: %s", fault)

    def _look(self) -> None:
        ledger, name = self._worker.ledger, self._worker.name
        slots = self._worker.settings.slot_count
        ledger.register_worker(name, slots=slots, forget_after_s=FORGET_WORKER_S)
        if not ledger.lead(name, seconds=min(LEAD_S, self._worker.settings.lease_s)):
            return
        self._list_jobs_again()
        queued = ledger.queued()
        jobs = {job: messages for job, messages in ledger.active().items() if messages is not None}
        missing = queued < sum(jobs.values())
        for job in jobs:
            due = ledger.requeue_expired(job, messages_missing=missing, grace_s=MESSAGE_GRACE_S)
            if due:
                log.warning("sending %d messages of job %s again", len(due), job)
                self._worker.publish(job, due)
            publish_finish(self._worker, job)

    def _list_jobs_again(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._list_due_s:
            self._worker.ledger.list_again()
            self._list_due_s = now_s + LIST_PERIOD_S
