"""Whether the files beside manifest, index and shards are whole and fit the rows.

``job.json``, ``summary.json``, ``files.parquet`` and ``report.html`` carry their own checksum;
``classes.json``, which other programs read as a plain object, is held against the rows.  Whatever
is wrong here, the job's own command writes anew.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import duckdb
import pyarrow as pa

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import check_seal, check_values
from shardmill.dataset.classes import read_classes
from shardmill.dataset.job import Job, Status
from shardmill.dataset.layout import Layout
from shardmill.dataset.tally import Tally
from shardmill.report import store
from shardmill.storage.files import read_json

Wrong = tuple[str, str, str | None]
"""A file of the output directory, what is wrong with it, and the manifest part to be made again."""


def wrong_classes(con: duckdb.DuckDBPyConnection, layout: Layout, *, most: int) -> Iterator[Wrong]:
    """Yield where rows contradict each other, or ``classes.json``, in the number of a class.

    Args:
        con: Has the table ``manifest_rows``.
        layout: The output directory.
        most: How many contradictions of a kind are told.
    """
    classes: dict[str, int] | None = None
    fault = "is missing"
    try:
        classes = read_classes(layout)
    except FileNotFoundError:
        pass
    except (DatasetDamaged, OSError) as error:
        fault = f"cannot be used: {error}"
    known = classes or {}
    found = store.ask(
        con,
        store.sql("verify_classes"),
        labels=list(known),
        numbers=list(known.values()),
        most=most,
    )
    unnamed = [row for row in found if row["part"] is None]
    if classes is None and (unnamed or os.path.lexists(layout.classes)):
        yield "classes.json", fault, None
    for row in found:
        if classes is not None or row["part"] is not None:
            yield row["file"], row["wrong"], row["part"]


def wrong_job(layout: Layout) -> Iterator[Wrong]:
    """Yield what is wrong with ``job.json`` that reading it as a job does not show."""
    try:
        check_values(layout.job, read_json(layout.job))
    except DatasetDamaged as error:
        yield "job.json", f"was changed since it was written: {error}", None


def is_finished(layout: Layout) -> bool:
    """Return whether a job's end was written: what goes on with one removes both files first."""
    return os.path.lexists(layout.summary) or os.path.lexists(layout.files)


def wrong_results(con: duckdb.DuckDBPyConnection, job: Job, tally: Tally) -> Iterator[Wrong]:
    """Yield what is wrong with the results of a finished job.

    Args:
        con: Has the table ``files``.
        job: The job.
        tally: Totals over its files.
    """
    layout = Layout(job.out)
    status = Status(job=job.name, state="done", out=job.out, inputs=job.inputs, tally=tally)
    checks: dict[str, Callable[[], str]] = {
        layout.summary: lambda: _summary_fault(layout, status),
        layout.files: lambda: _files_fault(con, layout),
        layout.report: lambda: _report_fault(layout),
    }
    for path, fault in checks.items():
        try:
            wrong = fault()
        except FileNotFoundError:
            wrong = "is missing"
        except (DatasetDamaged, OSError) as error:
            wrong = f"cannot be used: {error}"
        if wrong:
            yield os.path.basename(path), wrong, None


def _summary_fault(layout: Layout, status: Status) -> str:
    """Return which total is another than that of the rows; nothing if none is.

    Raises:
        DatasetDamaged: The file does not match its checksum.
    """
    told = read_json(layout.summary)
    check_values(layout.summary, told)
    expected = status.encode()
    of_the_run = {"out", "seconds", "state"}
    return next(
        (
            f"says {name} {told.get(name)}, the rows say {value}"
            for name, value in expected.items()
            if name not in of_the_run and told.get(name) != value
        ),
        "",
    )


def _report_fault(layout: Layout) -> str:
    """Return nothing for a report that is as it was written.

    Raises:
        DatasetDamaged: It does not match its checksum.
    """
    check_seal(layout.report)
    return ""


def _files_fault(con: duckdb.DuckDBPyConnection, layout: Layout) -> str:
    """Return whether the table holds other rows than the manifest; nothing if the same.

    Rows are counted and hashes of what tells one from another are added up, whatever their order:
    in constant memory, and without reading all columns of every part.

    Raises:
        DatasetDamaged: The file does not match its checksum.
    """
    check_seal(layout.files)
    (expected,) = store.ask(con, store.sql("verify_files"))
    try:
        with closing(store.open_results(layout.out)) as own:
            (found,) = store.ask(own, store.sql("verify_files"))
    except pa.ArrowException as error:
        raise DatasetDamaged(f"{layout.files} is no table of rows: {error}") from error
    if found["rows"] != expected["rows"]:
        return f"has {found['rows']} rows, the manifest {expected['rows']}"
    return "" if found == expected else "has other rows than the manifest"
