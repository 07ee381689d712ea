"""``python -m shardmill_worker``: one Celery worker with a decoder a slot.

Started as a module, not by a console script: multiprocessing runs a script's ``__main__`` again
in every decoder.
"""

import gc
import logging
import multiprocessing.util
import os
import signal
import sys
import tempfile
from contextlib import suppress
from typing import Final

from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.quantity import printable
from shardmill.storage import scratch
from shardmill_worker.execution import fork_server

# numpy's and OpenCV's thread pools would give the fork server threads, which a fork must not have.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

LONGEST_PARENT: Final = 37
"""Bytes; of the 103 that a socket's path has at most, 66 are for ours and multiprocessing's."""
_LAST: Final = -1000
"""Behind multiprocessing's own finalizers, one of which removes a directory that lies in ours."""


class _Printable(logging.Formatter):
    """Escapes control characters, as the name of a file may hold, in each line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one record."""
        return "\n".join(map(printable, super().format(record).split("\n")))


def main() -> int:
    """Run a worker until it is told to end; return its exit code."""
    log = logging.StreamHandler()
    log.setFormatter(_Printable("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    logging.getLogger("shardmill").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _end)  # until Celery, once it is loaded, has its own way to end
    # A killed worker leaves its fork server's socket behind: in a directory of its own.
    directory = tempfile.tempdir = scratch.make("worker", longest_parent=LONGEST_PARENT)
    multiprocessing.util.Finalize(None, scratch.remove, (directory,), exitpriority=_LAST)
    fork_server.start()
    return _work()


def _work() -> int:
    gc.disable()  # nothing of what is loaded is garbage
    from shardmill_worker.app import app, settings
    from shardmill_worker.service.tasks import worker

    gc.freeze()
    gc.enable()
    try:
        celery_worker = app.Worker(
            hostname=f"shardmill@{worker().name}",
            concurrency=settings.slot_count,
            queues=settings.queue_names,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            task_events=True,
        )
        celery_worker.start()
        return int(celery_worker.exitcode or 0)
    finally:
        with suppress(LedgerUnavailable):  # it then forgets us by itself
            worker().ledger.unregister_worker(worker().name)


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
