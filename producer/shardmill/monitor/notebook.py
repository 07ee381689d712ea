"""What a notebook shows while a job runs: bars below the cell, kept up to date in place.

IPython is no dependency of shardmill: where this code meets a notebook, it is running already.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Final

from shardmill.contract.quantity import format_count, format_duration, format_span, printable
from shardmill.monitor.watcher import SILENT, Watcher

if TYPE_CHECKING:
    from shardmill.monitor.progress import Progress

SHOW_EVERY_S: Final = 0.5
MOST_NOTES: Final = 5
"""Sentences that stay below the bars, the last ones."""
_ROW: Final = (
    '<div style="display: flex; gap: 0.8em; align-items: center">'
    '<span style="width: 4em">{name}</span>'
    '<progress {value} max="1" style="width: 16em; accent-color: #4269d0"></progress>'
    '<span style="font-variant-numeric: tabular-nums">{text}</span></div>'
)


@contextmanager
def showing(watcher: Watcher | None) -> Iterator[Watcher]:
    """Give the watcher asked for; without one, bars in a notebook and silence elsewhere."""
    if watcher is not None or not _in_notebook():
        yield watcher or SILENT
        return
    cell = CellBars()
    try:
        yield cell
    finally:
        cell.end()


def _in_notebook() -> bool:
    """Tell whether this is a cell of a notebook, and no shell in a terminal."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


class CellBars(Watcher):
    """Two bars below the cell that began the job, or their text where there is no HTML."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)
        self._handle: Any = None
        self._next = 0.0
        self._ended = False

    def note(self, sentence: str) -> None:
        """Keep a sentence: it may come from a thread that has no cell."""
        self._notes.append(printable(sentence))

    def progress(self, progress: "Progress") -> None:
        """Show the progress if it is time."""
        self._progress = progress
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SHOW_EVERY_S
            self._show()

    def end(self) -> None:
        """Show how it stands, for good."""
        self._ended = True
        if self._progress is not None:
            self._show()

    def _show(self) -> None:
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        rows = [f"{name}: {text}" for name, _, text in self._rows()]
        return "\n".join([self._head(), *rows, *self._notes])

    def _repr_html_(self) -> str:
        rows = [
            _ROW.format(
                name=name, value="" if share is None else f'value="{share:.4f}"', text=escape(text)
            )
            for name, share, text in self._rows()
        ]
        notes = [f'<div style="opacity: 0.7">{escape(note)}</div>' for note in self._notes]
        return "".join([f"<div><b>{escape(self._head())}</b></div>", *rows, *notes])

    def _head(self) -> str:
        if self._progress is None:
            return "starting"
        snapshot = self._progress.snapshot
        state = "interrupted" if self._ended and snapshot.state == "running" else snapshot.state
        told = [f"{state} after {format_duration(snapshot.seconds)}", printable(snapshot.reason)]
        if self._progress.tally.failed:
            told.append(f"{self._progress.tally.failed:,} failed")
        return f"{printable(snapshot.out)}: " + " · ".join(part for part in told if part)

    def _rows(self) -> Iterator[tuple[str, float | None, str]]:
        """Yield name, share (None: not known yet) and words of each bar."""
        progress = self._progress
        if progress is None:
            return
        inputs = progress.inputs
        if inputs is None:
            yield "probe", None, f"{progress.probed:,} so far, still counting"
        else:
            yield "probe", progress.probed / max(1, inputs), f"{progress.probed:,} of {inputs:,}"
        if not progress.frames_expected:
            return
        told = [format_count(progress.frames, "frame")]
        if progress.snapshot.state == "running" and not self._ended:
            told.append(f"{progress.frame_rate_hz:,.0f} a second")
            if progress.eta_range_s is not None:
                told.append(f"{format_span(*progress.eta_range_s)} left")
        yield "extract", progress.share_done, " · ".join(told)
