"""How a job's end is told: a short summary, or one JSON object, and the exit code."""

import gc
import os
import shlex
from typing import Final

from shardmill.cli.terminal import say, say_json, say_lines, say_table
from shardmill.dataset.job import Status
from shardmill.dataset.layout import Layout

DONE: Final = 0
SOME_FAILED: Final = 3
STOPPED: Final = 4


def keep_loaded() -> None:
    """Leave what is loaded by now out of the search for garbage when the process ends.

    It would take a fifth of a second.  To be called before DuckDB is loaded, which complains of
    whatever it finds alive.
    """
    gc.freeze()


def exit_code(status: Status, *, allow_failures: bool) -> int:
    """Return what the shell is told."""
    if status.state in {"paused", "cancelled"}:
        return STOPPED
    return SOME_FAILED if status.tally.failed and not allow_failures else DONE


def end(
    status: Status, out: str, *, allow_failures: bool, as_json: bool, keep: str | None = None
) -> int:
    """Tell how a job ended; return the exit code.

    Args:
        status: Of the ended job.
        out: Output directory.
        allow_failures: Failed items are no failure of the job.
        as_json: Print one JSON object instead of text.
        keep: Where to look next, if ``out`` is about to vanish.
    """
    if as_json:
        say_json(status.encode())
    else:
        from shardmill.cli.display import summary_lines
        from shardmill.report import failures, remarks  # by now nobody waits for a first file

        # Of a job that stopped the status has to do: OUT or memory may be what it lacks.
        is_done = status.state == "done"
        groups = failures.groups(out) if is_done else []
        shards = len(Layout(out).shard_names()) if status.tally.clips else None
        lines = summary_lines(status, groups, shards)
        if is_done:
            lines += [f"  {word:<8} {sentence}" for word, sentence in remarks.sentences(out)]
        report = Layout(out).report
        if keep is None and os.path.exists(report):
            lines.append(f"  report   {shlex.quote(report)}")
        say_lines([*lines, f"  next     {keep or _next(status, out)}"])
    return exit_code(status, allow_failures=allow_failures)


def _next(status: Status, out: str) -> str:
    place = shlex.quote(out)
    if status.state != "done":
        return "the same command goes on"
    if status.tally.failed:
        return f"shardmill failures {place}"
    if status.tally.clips:
        return f"shardmill verify {place}"
    return f"shardmill query {place} 'from files'"


def print_survey(out: str) -> None:
    """Print how the files of a manifest are distributed."""
    from shardmill.report import survey

    for section in survey.sections(out):
        say_table(section.columns, section.rows, right=section.columns[1:], title=section.title)
        say()
