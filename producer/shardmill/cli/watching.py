"""What a person sees while a command works: loaded when there is time for it."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from shardmill.monitor.watcher import Watcher

if TYPE_CHECKING:
    from shardmill.cli.display import Lines, LiveBars
    from shardmill.monitor.progress import Progress


class Watching(ExitStack, Watcher):
    """Shows bars if standard error is a terminal, else plain lines.

    They take a while to load, for which no cluster should have to wait with its start.
    """

    def __init__(self, *, extracting: bool) -> None:
        super().__init__()
        self._extracting = extracting
        self._shown: LiveBars | Lines | None = None

    def begin(self) -> None:
        """Show that the work begins."""
        self._display()

    def note(self, sentence: str) -> None:
        """Show a sentence."""
        self._display().note(sentence)

    def progress(self, progress: "Progress") -> None:
        """Show how far the work is."""
        self._display().progress(progress)

    def _display(self) -> "LiveBars | Lines":
        if self._shown is None:
            from shardmill.cli.display import display

            self._shown = display(extracting=self._extracting)
            self.enter_context(self._shown)
        return self._shown
