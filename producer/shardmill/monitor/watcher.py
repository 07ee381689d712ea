"""Who is told how a job goes."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shardmill.monitor.progress import Progress


class Watcher:
    """Hears nothing; subclasses show what they like."""

    def begin(self) -> None:
        """Hear that a cluster starts for the work: what it takes to show that, load it now."""

    def note(self, sentence: str) -> None:
        """Take one sentence for the user."""

    def progress(self, progress: "Progress") -> None:
        """Take the progress, a few times a second."""


SILENT: Final = Watcher()


class ProgressOnly(Watcher):
    """Passes the progress on, and no sentence: of work that the user did not ask for."""

    def __init__(self, watcher: Watcher) -> None:
        self.begin = watcher.begin  # type: ignore[method-assign]
        self.progress = watcher.progress  # type: ignore[method-assign]
