"""How fast each worker was, by when its batches were committed."""

import os
from contextlib import suppress
from typing import Final

import duckdb
import pyarrow as pa

from shardmill.contract.quantity import format_duration
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.report import store
from shardmill.report.page.binning import nice
from shardmill.report.page.figures import NAME, Figure, cut

WORKERS: Final = 8
"""Workers with a colour of their own."""
STEPS: Final = 100
FEWEST: Final = 4
"""Steps below which there is no course of time to see."""
SECOND_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
UNITS: Final = (("hours", 3600), ("minutes", 60), ("seconds", 1))


def step_s(span_s: float) -> float:
    """Return the seconds of a step, so that a span has about ``STEPS`` or fewer."""
    fits = (float(step) for step in SECOND_STEPS if span_s / step <= STEPS)
    return next(fits, nice(span_s / STEPS / 3600) * 3600)


def timeline(con: duckdb.DuckDBPyConnection, layout: Layout, job: Job) -> Figure | None:
    """Return the throughput of this run; None if it was too short to have a course.

    A batch counts where it was committed: at the time of its manifest part.

    Args:
        con: Has the table ``manifest_rows``.
        layout: The output directory.
        job: Began when this run began; what earlier runs did is left out.
    """
    times = _commit_times(layout)
    span_s = max(times.values(), default=0.0) - job.started_s
    if span_s < FEWEST:
        return None
    step = step_s(span_s)
    con.register("commits", pa.table({"part": list(times), "at_s": list(times.values())}))
    rows = store.ask(
        con, store.sql("page/timeline"), start_s=job.started_s, step_s=step, most=WORKERS
    )
    unit, unit_s = next((u, s) for u, s in UNITS if span_s >= 2 * s or s == 1)
    what = "files" if job.goal == "probe" else "frames"
    data = [
        {
            "at": row["step"] * step / unit_s,
            "until": (row["step"] + 1) * step / unit_s,
            "name": cut(row["worker"], NAME),
            "value": row[what] / step,
            "tip": f"{cut(row['worker'], NAME)}\n{_rate(row[what] / step)} {what}/s\n"
            f"after {format_duration(row['step'] * step)}",
        }
        for row in rows
    ]
    return Figure(
        id="timeline",
        title="Throughput by worker",
        kind="timeline",
        x=f"{unit} since the run began",
        y=f"{what} per second",
        data=data,
        note=f"Steps of {format_duration(step)}; a batch counts when it is committed.",
    )


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def _commit_times(layout: Layout) -> dict[str, float]:
    """Return when each manifest part was committed, seconds since 1970, by its name."""
    times = {}
    for part in layout.parts():
        with suppress(FileNotFoundError):  # a producer that goes on may take parts out meanwhile
            times[os.path.basename(part)] = os.stat(part).st_mtime
    return times
