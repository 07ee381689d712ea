"""Tells Flower how far a running task is; Celery itself tells only its start and its end.

What slots tell is sent by one thread: a slot has a decoder to watch and must not wait for a
Redis that hangs.  Nothing depends on what is sent here.
"""

import logging
import threading
from typing import Any, Final

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis import RedisError

EVERY_S: Final = 2.0

log = logging.getLogger("shardmill.announcer")


class Announcer:
    """The thread of one worker, and what its running tasks have told last."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._told: dict[str, tuple[str, str, str]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more; a send that hangs is not waited for."""
        self._ended.set()

    def tell(self, title: str, progress: str) -> None:
        """Keep for the next round what the task of this thread does, and how far it is."""
        task = self._app.current_worker_task
        if task is not None:
            self._told[task.request.id] = (task.request.hostname, title, progress)

    def forget(self) -> None:
        """Say no more of the task of this thread: it ends, and its result is to stay."""
        task = self._app.current_worker_task
        if task is not None:
            self._told.pop(task.request.id, None)

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                self._send()
            except (CeleryError, KombuError, RedisError, OSError) as fault:
                log.info("Flower is not told: %s", fault)

    def _send(self) -> None:
        for task_id, (worker, title, progress) in list(self._told.items()):
            with self._app.events.default_dispatcher(hostname=worker) as dispatcher:
                if task_id in self._told:
                    fields = {"uuid": task_id, "args": title, "result": progress}
                    dispatcher.send("task-progress", retry=False, **fields)
