"""``python -m shardmill_worker``: one Celery worker with a decoder a slot.

Started as a module, not by a console script: multiprocessing runs a script's ``__main__`` again
in every decoder.
"""

import gc
import logging
import multiprocessing.util
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from typing import Final

from shardmill.contract.errors import LedgerUnavailable
from shardmill_worker import fork_server

# numpy's and OpenCV's thread pools would give the fork server threads, which a fork must not have.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

SHORT: Final = "/tmp"  # noqa: S108 - mkdtemp makes it ours alone
LONGEST_PARENT: Final = 37
"""A socket's path has at most 103 bytes on every system; 66 are for ours and multiprocessing's."""
_LAST: Final = -1000
"""Behind multiprocessing's own finalizers, one of which removes a directory that lies in ours."""


def main() -> int:
    """Run a worker until it is told to end; return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("shardmill").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _end)  # until Celery, once it is loaded, has its own way to end
    # A killed worker leaves its fork server's socket behind: in a directory of its own.
    scratch = tempfile.tempdir = _scratch()
    multiprocessing.util.Finalize(
        None, shutil.rmtree, (scratch,), {"ignore_errors": True}, exitpriority=_LAST
    )
    fork_server.start()
    return _work()


def _work() -> int:
    gc.disable()  # nothing of what is loaded is garbage
    from shardmill_worker.app import app, settings
    from shardmill_worker.tasks import worker

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
            worker().ledger.disappear(worker().name)


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _scratch() -> str:
    """Make a directory that tells whose it is, so that a killed worker's can be swept."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > LONGEST_PARENT:
        parent = SHORT
    return tempfile.mkdtemp(prefix=f"shardmill-worker-{os.getpid()}-", dir=parent)


if __name__ == "__main__":
    sys.exit(main())
