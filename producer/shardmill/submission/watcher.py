"""Who is told how a job goes."""

from typing import Final

from shardmill.submission.progress import Progress


class Watcher:
    """Hears nothing; subclasses show what they like."""

    def note(self, sentence: str) -> None:
        """Take one sentence for the user."""

    def progress(self, progress: Progress) -> None:
        """Take the progress, a few times a second."""


SILENT: Final = Watcher()
