"""Asks every worker, before anything is enumerated, whether it sees the directories of a job."""

import os
import tempfile
from typing import Any, Final

from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.names import SEES
from shardmill.ledger import messages
from shardmill.producer.request import Request

PATIENCE_S: Final = 3.0
"""Who has not answered by then is gone or busy; an attempt of his checks again."""


def check_reach(app: Any, workers: int, request: Request) -> None:
    """See that every worker finds input and output where this machine does.

    Args:
        app: The Celery application of this process.
        workers: How many were seen lately: as many answers are awaited.
        request: The job's directories.

    Raises:
        EnvironmentFault: A worker does not see one of them, or the output cannot be written.
    """
    if not workers:
        return
    place = request.nearest_out
    try:
        with tempfile.NamedTemporaryFile(prefix=".shardmill-", dir=place) as mark:
            marks = dict(map(_mark, request.roots.paths))
            marks[place] = os.path.basename(mark.name)
            answers = messages.ask(
                app, SEES, {"marks": marks}, answers=workers, patience_s=PATIENCE_S
            )
    except OSError as error:
        if isinstance(error, EnvironmentFault):
            raise
        raise EnvironmentFault(f"cannot write in {place}: {error.strerror}") from error
    for worker, obstacle in sorted(answers.items()):
        if obstacle:
            raise EnvironmentFault(f"worker {worker}: {obstacle}")


def _mark(root: str) -> tuple[str, str]:
    """Return a directory and a name in it; for an archive, where it lies and its own."""
    if not os.path.isdir(root):
        return os.path.split(root)
    with os.scandir(root) as entries:
        return root, next((entry.name for entry in entries), "")
