"""What a person sees while a job runs, and when it has ended."""

import math
import shlex
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live

from shardmill.cli.live import Picture, eta, rate
from shardmill.cli.terminal import say, say_json, say_table
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.contract.quantity import format_bytes, format_count, format_duration, printable
from shardmill.dataset.job import Status
from shardmill.monitor.progress import Progress, at_rest
from shardmill.monitor.watcher import Watcher

if TYPE_CHECKING:
    from shardmill.report.failures import FailureGroup  # with it would come DuckDB

LOG_EVERY_S: Final = 5.0
DRAW_EVERY_S: Final = 0.5
CHANGE_EVERY_S: Final = 1.0
"""Changes are told to machines not more often."""
LINE_EVERY_S: Final = 10.0
"""So often they are told something, even if nothing changes."""


def _paused(progress: Progress) -> str:
    place = shlex.quote(progress.snapshot.out)
    return f"paused {progress.snapshot.reason}; go on with: shardmill resume {place}"


def _failed(progress: Progress) -> str:
    if not progress.tally.failed:
        return ""
    last = [f", the last {last.error_class}: {last.path}" for last in progress.last_failures[:1]]
    return f"{progress.tally.failed:,} failed{''.join(last)}"


class Lines(Watcher):
    """Plain lines on standard error, every few seconds: for logs."""

    def __init__(self) -> None:
        self._next = 0.0
        self._paused = False

    def note(self, sentence: str) -> None:
        """Print a sentence."""
        say(f"shardmill: {sentence}", to_error=True)

    def progress(self, progress: Progress) -> None:
        """Print a line if it is time, or if the job was paused."""
        was_paused, self._paused = self._paused, progress.snapshot.state == "paused"
        if self._paused and not was_paused:
            self.note(_paused(progress))
        if time.monotonic() < self._next or progress.snapshot.state != "running":
            return
        self._next = time.monotonic() + LOG_EVERY_S
        parts = [f"probed {progress.probed:,} of {progress.inputs or 0:,}"]
        if progress.probed < (progress.inputs or 0):
            parts[0] += f" ({rate(progress.probe_rate_hz)})"
        if progress.frames_expected:
            pace = f"{rate(progress.frame_rate_hz)}, mean {rate(progress.frame_mean_hz)}"
            parts += [f"{progress.frames:,} frames ({pace})", f"{progress.share_done:.0%} done"]
        parts += [part for part in (eta(progress), _failed(progress)) if part]
        self.note(", ".join(parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class LiveBars(Watcher):
    """A picture on a terminal that changes with the job: see ``cli.live``."""

    def __init__(self, console: Console, *, extracting: bool) -> None:
        self._console = console
        self._paused = False
        self._next = 0.0
        self._picture = Picture(extracting=extracting)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def note(self, sentence: str) -> None:
        """Print a sentence above the picture."""
        self._console.print(f"shardmill: {printable(sentence)}", markup=False, highlight=False)

    def progress(self, progress: Progress) -> None:
        """Draw it anew, not more often than can be read."""
        was_paused, self._paused = self._paused, progress.snapshot.state == "paused"
        if self._paused and not was_paused:
            self.note(_paused(progress))
        if time.monotonic() < self._next and self._paused == was_paused:
            return
        self._next = time.monotonic() + DRAW_EVERY_S
        self._picture.update(progress)
        self._live.update(self._picture, refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        self._live.update(self._picture, refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


class JsonLines(Watcher):
    """Objects on standard output, one a line, for machines; sentences on standard error."""

    def __init__(self) -> None:
        self._latest: Progress | None = None
        self._counted: tuple[object, ...] = ()
        self._told_s = -math.inf

    def note(self, sentence: str) -> None:
        """Print a sentence on standard error."""
        say(f"shardmill: {sentence}", to_error=True)

    def progress(self, progress: Progress) -> None:
        """Print an object if something has changed, once a second at most, or else at times."""
        self._latest = progress
        since_s = time.monotonic() - self._told_s
        if progress.snapshot.state != "running" or since_s < CHANGE_EVERY_S:
            return
        if since_s >= LINE_EVERY_S or _counted(progress) != self._counted:
            self._counted, self._told_s = _counted(progress), time.monotonic()
            self._print(progress.snapshot.status(progress.job), progress)

    def end(self, status: Status) -> None:
        """Print the last object."""
        latest = self._latest
        seen = latest is not None and latest.snapshot.state == status.state
        self._print(status, latest if latest is not None and seen else at_rest(status))

    @staticmethod
    def _print(status: Status, progress: Progress) -> None:
        say_json(status.encode() | progress.encode())


def _counted(progress: Progress) -> tuple[object, ...]:
    """Return what makes a new line worth while: all that does not change by itself."""
    return progress.inputs, progress.probed, progress.frames, progress.tally


def display(*, extracting: bool) -> LiveBars | Lines:
    """Return bars if standard error is a terminal, else plain lines."""
    console = Console(stderr=True)
    return LiveBars(console, extracting=extracting) if console.is_terminal else Lines()


def summary_lines(status: Status, groups: "list[FailureGroup]", shards: int | None) -> list[str]:
    """Return what a job came to, one fact a line."""
    tally = status.tally
    inputs = f"{status.inputs:,}" if status.inputs is not None else "not yet counted"
    counts = f"ok {tally.ok:,} · failed {tally.failed:,} · skipped {tally.skipped:,}"
    state = f"{status.state} in {format_duration(status.seconds)}"
    lines = [f"{status.job}  {state}", f"  inputs   {inputs}: {counts}"]
    if status.reason:
        lines.append(f"  reason   {status.reason}")
    for group in groups:
        example = group.examples[0]
        lines.append(f"  failed   {group.count:,} {group.error_class}: {example.name}")
        lines.append(f"           {example.message}")
    if tally.clips:
        where = f" in {format_count(shards, 'shard')}" if shards is not None else ""
        video_s = tally.video_ns / NS_PER_S
        lines.append(f"  clips    {tally.clips:,}{where}")
        if tally.partial:
            lines.append(f"  partial  {tally.partial:,} of them end where their file is damaged")
        source = f" from {format_duration(video_s)} of video" if tally.video_ns else ""
        lines.append(f"  frames   {tally.frames:,}{source}")
    sizes = f"{format_bytes(tally.bytes_in)} in"
    if tally.bytes_out:
        sizes += f", {format_bytes(tally.bytes_out)} out"
    lines.append(f"  bytes    {sizes}")
    return lines


def print_jobs(jobs: list[Status]) -> None:
    """Print a table of jobs."""
    rows = [
        (
            status.job,
            status.state,
            "counting" if status.inputs is None else f"{status.inputs:,}",
            f"{status.tally.files:,}",
            f"{status.tally.failed:,}",
            status.out,
        )
        for status in jobs
    ]
    columns = ("job", "state", "inputs", "done", "failed", "out")
    say_table(columns, rows, right=("inputs", "done", "failed"))
