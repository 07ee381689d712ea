"""The three Celery tasks, and what lives as long as a worker does.

A message holds two names, ``[job, batch_id]``; everything else comes from the ledger.
"""

import logging
import os
import re
import socket
from functools import cache, partial
from typing import Any, Final

from celery import bootsteps, signals

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.names import TASKS
from shardmill.ledger import messages
from shardmill.ledger.ledger import Ledger
from shardmill_worker.app import app, settings
from shardmill_worker.execution.attempt import Worker, perform
from shardmill_worker.execution.supervisor import Decoders
from shardmill_worker.service.announcer import Announcer
from shardmill_worker.service.reconciler import Reconciler

NAME: Final = re.compile(r"[\w.-]{1,100}")

log = logging.getLogger("shardmill.tasks")
announcer = Announcer(app)


@cache
def worker() -> Worker:
    """Return this process's worker."""
    return Worker(
        name=settings.worker_name or f"{socket.gethostname()}-{os.getpid()}",
        settings=settings,
        ledger=Ledger(settings),
        decoders=Decoders(settings.root_list),
        publish=partial(messages.send, app),
        tell=announcer.tell,
    )


def run(job: object, batch_id: object) -> str:
    """Answer a message, whoever sent it."""
    for name in (job, batch_id):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InvalidMessage(f"expected the names of a job and a batch, got {name!r:.80}")
    try:
        outcome = perform(worker(), str(job), str(batch_id))
    finally:
        announcer.forget()
    log.info("%s %s: %s", job, batch_id, outcome)
    return outcome


for _name in TASKS.values():
    app.task(run, name=_name)


class Companions(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops what lives beside the pool: the reconciler and the decoders."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._reconciler = Reconciler(worker())

    def start(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Begin to look for lost work."""
        self._reconciler.start()
        announcer.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Tell the slots to end: ``control.shutdown()`` sends no signal of its own."""
        worker().decoders.stop()
        announcer.stop()
        self._reconciler.stop()

    terminate = stop


app.steps["worker"].add(Companions)


@signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
def _stop_decoders(**_: object) -> None:
    worker().decoders.stop()
