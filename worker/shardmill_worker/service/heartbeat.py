"""A file that tells whoever watches this machine that the worker takes messages.

Touched from the very loop that takes them, so a worker that hangs or has lost its queue lets it
grow old; a container's health check looks at its age and starts no program of ours.
"""

from pathlib import Path
from typing import Any, Final

from celery import bootsteps

from shardmill_worker.app import app, settings

EVERY_S: Final = 5.0


class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the file while the loop runs, and removes it at the end."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.enabled = bool(settings.heartbeat)
        self._path = Path(settings.heartbeat)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin; the first beat comes when the loop has begun."""
        self._timer = parent.timer.call_repeatedly(EVERY_S, self._path.touch)

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """End: an old file must not speak for a worker that is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._path.unlink(missing_ok=True)

    terminate = stop


app.steps["worker"].add(Heartbeat)
