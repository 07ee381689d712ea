"""What a worker answers when it is asked over Celery's remote control."""

import threading
from collections.abc import Mapping
from typing import Any, Final

from celery.worker.control import inspect_command

from shardmill.contract.names import SEES
from shardmill_worker.app import settings
from shardmill_worker.execution.path_access import first_obstacle

PATIENCE_S: Final = 1.0
"""A file system that is gone may keep who asks it for ever; the worker's loop must not wait."""


@inspect_command(name=SEES)  # type: ignore[untyped-decorator]
def sees(state: Any, marks: Mapping[str, str]) -> str:  # noqa: ARG001 - Celery's signature
    """Answer a producer: the first obstacle, or nothing."""
    answers: list[str] = []

    def look() -> None:
        answers.append(first_obstacle(marks, settings.root_list) or "")

    thread = threading.Thread(target=look, name="reach", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return answers[0] if answers else "waits for a file system that does not answer"
