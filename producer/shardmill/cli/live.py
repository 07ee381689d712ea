"""The picture of a job at work, as wide as a terminal is: two bars, numbers, workers, failures.

Every line is one row of the terminal, whatever its width: what does not fit is left out, the
least important first, and names are cut.  Lines come, but none goes away again, so nothing jumps.
"""

import math
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shardmill.contract.quantity import format_duration, format_span, printable
from shardmill.ledger.telemetry import Failure
from shardmill.monitor.progress import Progress, WorkerProgress

NAMES: Final = 8
"""Width of the names of bars."""
SMALLEST_BAR: Final = 6
MOST_WORKERS: Final = 4
"""Lines of workers."""
BUSIER: Final = 1.5
"""So much busier another must be to take a worker's line."""
GAP: Final = 2
EXACT: Final = 10
"""From here on a rate has no decimals."""


def eta(progress: Progress) -> str:
    """Return when the rest will be done, as far as that can be said."""
    if progress.snapshot.state == "paused":
        return "paused"
    if progress.finishing:
        return "finishing"
    if progress.snapshot.state != "running" or progress.eta_range_s is None:
        return ""
    return f"ETA {format_span(*progress.eta_range_s)}"


def rate(per_second: float, noun: str = "") -> str:
    """Write ``1,204/s`` or ``7.5 frames/s``."""
    figure = f"{per_second:,.0f}" if per_second >= EXACT or per_second == 0 else f"{per_second:.1f}"
    return f"{figure} {noun}/s" if noun else f"{figure}/s"


class Picture:
    """What is known of a job, ready to be drawn at any width."""

    def __init__(self, *, extracting: bool) -> None:
        self._extracting = extracting
        self._progress: Progress | None = None
        self._shown: list[str] = []
        self._lines_of_workers = 0
        self._widths = [0, 0, 0]

    def update(self, progress: Progress) -> None:
        """Take what is to be seen from now on."""
        self._progress = progress
        self._shown = _still_shown(self._shown, progress.workers)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        lines: list[Table | Text] = [*self._bars(width), *self._below(width)]
        yield Group(*lines[: max(1, console.height - 1)])

    def _bars(self, width: int) -> list[Table]:
        progress = self._progress
        if progress is None or progress.inputs is None:
            return [_row("probe", None, ["counting"], width)]
        probing = progress.probed < progress.inputs
        total = f"{progress.inputs:,}"
        rows: list[tuple[str, float | None, str, tuple[float, float] | None]] = [
            (
                "probe",
                progress.probed / max(1, progress.inputs),
                f"{progress.probed:>{len(total)},}/{total} files",
                (progress.probe_rate_hz, progress.probe_mean_hz) if probing else None,
            )
        ]
        if self._extracting:
            rates = progress.frame_rate_hz, progress.frame_mean_hz
            frames = f"{progress.frames:,} frames"
            known = progress.share_done if progress.frames_expected else None
            rows.append(("extract", known, frames, rates))
        columns = self._columns([(amount, rates) for _, _, amount, rates in rows], width)
        return [
            _row(name, share, facts, width)
            for (name, share, _, _), facts in zip(rows, columns, strict=True)
        ]

    def _columns(
        self, rows: Sequence[tuple[str, tuple[float, float] | None]], width: int
    ) -> list[list[str]]:
        """Return the facts behind each bar, in columns that only grow, as many as there is room."""
        facts = [
            [amount, *((rate(pair[0]), f"mean {rate(pair[1])}") if pair and pair[0] else ("", ""))]
            for amount, pair in rows
        ]
        widest = [max(map(cell_len, column)) for column in zip(*facts, strict=True)]
        self._widths = [max(pair) for pair in zip(self._widths, widest, strict=True)]
        left, kept = width - NAMES - GAP - SMALLEST_BAR, 0
        for wide in self._widths:
            left -= wide + GAP
            if left < 0:
                break
            kept += 1
        kept = max(1, kept)
        return [
            [f"{text:>{wide}}" for text, wide in zip(row[:kept], self._widths[:kept], strict=True)]
            for row in facts
        ]

    def _below(self, width: int) -> list[Text]:
        progress = self._progress
        if progress is None:
            return []
        facts = [
            eta(progress),
            f"{progress.tally.failed:,} failed" if progress.tally.failed else "",
            f"{math.floor(100 * progress.share_done)}% done" if self._extracting else "",
            f"{format_duration(progress.video_s)} of video" if progress.video_s else "",
        ]
        lines = [_joined(facts, width)]
        lines += self._workers(progress, width)
        lines += [_failure(failure, width) for failure in progress.last_failures]
        return lines

    def _workers(self, progress: Progress, width: int) -> list[Text]:
        known = {each.worker: each for each in progress.workers}
        shown = [known[name] for name in self._shown if name in known]
        names = max((cell_len(printable(each.worker)) for each in shown), default=0)
        names = min(max(names, NAMES), max(NAMES, width // 4))
        lines = [_worker(each, names, width) for each in shown]
        others = [each for each in progress.workers if each.worker not in self._shown]
        if others:
            frames = sum(each.frame_rate_hz for each in others)
            files = sum(each.probe_rate_hz for each in others)
            pace = rate(frames, "frames") if frames or not files else rate(files, "files")
            lines.append(_cut(f"and {len(others):,} more  {pace}", width, "dim"))
        self._lines_of_workers = max(self._lines_of_workers, len(lines))
        return lines + [Text()] * (self._lines_of_workers - len(lines))


def _still_shown(shown: Sequence[str], workers: Sequence[WorkerProgress]) -> list[str]:
    """Return the names of the workers to show: the busiest, and who was shown if about as busy."""
    hz = {each.worker: each.frame_rate_hz + each.probe_rate_hz for each in workers}
    kept = {name: hz[name] * BUSIER for name in shown if name in hz}
    ranked = sorted(hz, key=lambda name: -kept.get(name, hz[name]))
    return sorted(ranked[:MOST_WORKERS])


def _row(name: str, share: float | None, facts: Sequence[str], width: int) -> Table:
    """Return one bar with its facts; the bar takes what they leave."""
    told = "  ".join(facts)
    bar = width - NAMES - GAP - GAP - cell_len(told)
    table = Table.grid(padding=(0, GAP, 0, 0))
    table.add_column(width=NAMES, no_wrap=True)
    row: list[Text | ProgressBar] = [Text(name)]
    if bar >= SMALLEST_BAR - 1:
        table.add_column(width=bar, no_wrap=True)
        row.append(ProgressBar(total=1.0, completed=share or 0.0, width=bar))
    table.add_column(no_wrap=True, overflow="ellipsis")
    row.append(Text(told, style="cyan", no_wrap=True, overflow="ellipsis"))
    table.add_row(*row)
    return table


def _joined(facts: Sequence[str], width: int) -> Text:
    """Return as many facts as fit, in their order, in one line."""
    line = ""
    for fact in filter(None, facts):
        longer = f"{line} · {fact}" if line else fact
        if cell_len(longer) > width - NAMES - GAP:
            break
        line = longer
    return Text(" " * (NAMES + GAP) + line)


def _worker(each: WorkerProgress, names: int, width: int) -> Text:
    """Return who holds what, and its rate."""
    probing = each.probe_rate_hz > 0 and each.frame_rate_hz == 0
    pace = rate(each.probe_rate_hz, "files") if probing else rate(each.frame_rate_hz, "frames")
    told = f"{_fitted(printable(each.worker), names)}  {pace:>14}"
    if each.held:
        first = max(each.held, key=lambda live: (live.whole_us, live.file))
        told += f"  {len(each.held)} batches: " if len(each.held) > 1 else "  "
        told += f"{first.stage}  {printable(first.file)}"
        told += f" ({first.answered + 1} of {first.items})" if first.items > 1 else ""
    return _cut(told, width, "dim")


def _failure(failure: Failure, width: int) -> Text:
    """Return what failed, and why; a long path keeps its end."""
    path, most = printable(failure.path), max(12, width // 3)
    if cell_len(path) > most:
        while cell_len(path) > most - 1:
            path = path[1:]
        path = f"…{path}"
    told = f"{printable(failure.error_class)} {path}: {printable(failure.message)}"
    return _cut(f"{'failed':<{NAMES + GAP}}{told}", width, "red")


def _fitted(text: str, width: int) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)


def _cut(text: str, width: int, style: str) -> Text:
    """Return one row of the terminal, cut where it would go on in the next."""
    short = text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"
    return Text(short, style=style, no_wrap=True)
