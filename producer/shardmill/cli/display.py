"""What a person sees while a job runs, and when it has ended."""

import math
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table

from shardmill.contract.job import Status
from shardmill.contract.quantity import format_bytes, format_count, format_duration, printable
from shardmill.contract.sampling import NS_PER_S
from shardmill.report.failures import FailureGroup
from shardmill.submission.progress import Progress
from shardmill.submission.watcher import Watcher

LOG_EVERY_S: Final = 5.0
UNBOUNDED: Final = 100_000
"""Width of a table that goes to a file: nothing is folded."""
INDENT: Final = 11
"""Column at which facts begin, behind their names."""
WIDE: Final = 100
"""Columns from which on the bars tell more."""


def _rate(per_second: float, noun: str) -> str:
    return f"{per_second:,.0f} {noun}/s"


def _eta(progress: Progress) -> str:
    if progress.snapshot.state != "running" or progress.eta_s is None:
        return "paused" if progress.snapshot.state == "paused" else ""
    seconds = math.ceil(progress.eta_s)
    return f"ETA {seconds} s" if seconds < 60 else f"ETA {format_duration(seconds)}"


def _paused(progress: Progress) -> str:
    place = shlex.quote(progress.snapshot.out)
    return f"paused {progress.snapshot.reason}; go on with: shardmill resume {place}"


def _failed(progress: Progress) -> str:
    return f"{progress.tally.failed:,} failed" if progress.tally.failed else ""


class Lines(Watcher):
    """Plain lines on standard error, every few seconds: for logs."""

    def __init__(self) -> None:
        self._next = 0.0
        self._paused = False

    def note(self, sentence: str) -> None:
        """Print a sentence."""
        print(f"shardmill: {printable(sentence)}", file=sys.stderr, flush=True)

    def progress(self, progress: Progress) -> None:
        """Print a line if it is time, or if the job was paused."""
        was_paused, self._paused = self._paused, progress.snapshot.state == "paused"
        if self._paused and not was_paused:
            self.note(_paused(progress))
        if time.monotonic() < self._next or progress.snapshot.state != "running":
            return
        self._next = time.monotonic() + LOG_EVERY_S
        parts = [f"probed {progress.probed:,} of {progress.inputs or 0:,}"]
        if progress.frames_expected:
            parts.append(f"{progress.frames:,} frames ({_rate(progress.frame_rate_hz, 'frame')})")
            parts.append(f"{progress.share_done:.0%} done")
        parts += [part for part in (_eta(progress), _failed(progress)) if part]
        self.note(", ".join(parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class LiveBars(Watcher):
    """Two bars on a terminal: probing, and extracting."""

    def __init__(self, console: Console, *, extracting: bool) -> None:
        self._console = console
        self._paused = False
        self._wide = console.width >= WIDE
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
            TextColumn("{task.fields[amount]}", justify="right"),
            TextColumn("{task.fields[pace]}", style="cyan", justify="right"),
            console=console,
            expand=True,
            transient=True,
        )
        self._probing = self._bars.add_task("probe", total=None, amount="counting", pace="")
        self._extracting: Any = None
        if extracting:
            self._extracting = self._bars.add_task("extract", total=None, amount="", pace="")

    def note(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self._console.print(f"shardmill: {printable(sentence)}", markup=False, highlight=False)

    def progress(self, progress: Progress) -> None:
        """Move the bars."""
        was_paused, self._paused = self._paused, progress.snapshot.state == "paused"
        if self._paused and not was_paused:
            self.note(_paused(progress))
        done = f"{progress.probed:,}/{progress.inputs:,}" if progress.inputs else "counting"
        probing_ended = progress.probed >= (progress.inputs or 1)
        pace = "" if probing_ended else _rate(progress.probe_rate_hz, "file")
        failed = _failed(progress)
        if self._extracting is None:
            pace = " · ".join(part for part in (pace, failed) if part)
        self._bars.update(
            self._probing,
            total=progress.inputs,
            completed=progress.probed,
            amount=done,
            pace=pace,
        )
        if self._extracting is None:
            return
        amount = f"{progress.frames:,} frames"
        if self._wide:
            amount += f" · {format_duration(progress.video_s)} of video"
        rate = _rate(progress.frame_rate_hz, "f")
        pace = " · ".join(part for part in (rate, _eta(progress), failed) if part)
        self._bars.update(
            self._extracting,
            total=1.0 if progress.frames_expected else None,
            completed=progress.share_done,
            amount=amount,
            pace=pace,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


def watching(*, extracting: bool) -> LiveBars | Lines:
    """Return bars if standard error is a terminal, else plain lines."""
    console = Console(stderr=True)
    return LiveBars(console, extracting=extracting) if console.is_terminal else Lines()


def summary_lines(status: Status, groups: list[FailureGroup], shards: int | None) -> list[str]:
    """Return what a job came to, one fact a line."""
    tally = status.tally
    inputs = f"{status.inputs:,}" if status.inputs is not None else "not yet counted"
    counts = f"ok {tally.ok:,} · failed {tally.failed:,} · skipped {tally.skipped:,}"
    state = f"{status.state} in {format_duration(status.seconds)}"
    lines = [f"{status.job}  {state}", f"  inputs   {inputs}: {counts}"]
    if status.reason:
        lines.append(f"  reason   {printable(status.reason)}")
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


def print_lines(lines: Iterable[str]) -> None:
    """Print lines; on a terminal, long ones go on between words, under their second column."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNBOUNDED
    for line in lines:
        print(fold(line, width))


def fold(line: str, width: int) -> str:
    """Return a line in pieces of ``width``; names that are longer stay whole, to be copied."""
    if len(line) <= width:
        return line
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def print_jobs(jobs: list[Status]) -> None:
    """Print a table of jobs."""
    table = Table(box=None, pad_edge=False)
    for column in ("job", "state", "inputs", "done", "failed", "out"):
        numeric = column in {"inputs", "done", "failed"}
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for status in jobs:
        inputs = "counting" if status.inputs is None else f"{status.inputs:,}"
        counts = (f"{status.tally.items:,}", f"{status.tally.failed:,}")
        table.add_row(status.job, status.state, inputs, *counts, printable(status.out))
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(width=width).print(table, markup=False)
