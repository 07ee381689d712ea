"""How far a job is, from its output directory alone, and the totals it ends with."""

import os
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import duckdb
from msgspec.structs import replace

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.options.sampling import NS_PER_S
from shardmill.dataset.checksum import sealed_values
from shardmill.dataset.holder import is_locked
from shardmill.dataset.index import check_index
from shardmill.dataset.job import Job, Status, version
from shardmill.dataset.layout import Layout
from shardmill.dataset.tally import Tally
from shardmill.report import failures, store
from shardmill.report.failures import FailureGroup
from shardmill.report.files_table import write_files
from shardmill.report.page import document
from shardmill.report.remarks import Remarks
from shardmill.storage.files import read_json, write_json

INTERRUPTED: Final = "interrupted: the same command goes on"
"""Why a job is paused that nobody works on."""
_NS_PER_H: Final = 3600 * NS_PER_S


def tally(out: str) -> Tally:
    """Return the totals over the files that have all their rows.

    Raises:
        DatasetDamaged: The manifest cannot be read.
    """
    with closing(store.open_files(out)) as con:
        return tally_of(con)


def tally_of(con: duckdb.DuckDBPyConnection) -> Tally:
    """Return the totals over the table ``files`` of a connection."""
    (totals,) = store.ask(con, store.sql("tally"))
    return Tally(**totals)


def status_of(out: str) -> Status:
    """Return how far the job of an output directory is.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: ``job.json``, ``summary.json`` or the manifest cannot be read.
    """
    job = store.job_of(out)
    layout = Layout(out)
    with closing(store.open_files(out)) as con:
        found = _status(job, tally_of(con))
        (rows,) = store.ask(con, "select count(*) as number from parts")
    if found.is_complete and os.path.exists(layout.summary):
        return replace(found, state="done", seconds=_seconds_of(layout))
    if is_locked(layout):
        return replace(found, state="running", seconds=time.time() - job.started_s)
    last_commit_s = os.stat(layout.manifest).st_mtime if rows["number"] else job.started_s
    seconds = max(0.0, last_commit_s - job.started_s)
    return replace(found, seconds=seconds, reason=INTERRUPTED)


def _seconds_of(layout: Layout) -> float:
    """Return how long a finished job took.

    Raises:
        DatasetDamaged: ``summary.json`` does not say it.
    """
    told = read_json(layout.summary)
    seconds = told.get("seconds") if isinstance(told, dict) else None
    if not isinstance(seconds, int | float):
        raise DatasetDamaged(f"{layout.summary} does not say how long the job took")
    return float(seconds)


def finish(job: Job) -> Status:
    """Write ``files.parquet``, the report and ``summary.json``, each whole or not at all.

    The summary comes last: where it is, all is there.

    Raises:
        EnvironmentFault: The disk is full or may not be written.
        DatasetDamaged: The manifest cannot be read.
    """
    layout = Layout(job.out)
    write_files(layout)
    with closing(store.open_files(job.out, kept="kept_rows", written=True)) as con:
        found = _status(job, tally_of(con))
        (clips,) = store.ask(con, store.sql("clip_frames"))
        (steps,) = store.ask(con, store.sql("steps"))
        _check_indexes(con, layout)
        failed = failures.groups_of(con, job.out)
        remarks = Remarks.of(con, job.spec)
        status = replace(found, seconds=time.time() - job.started_s, reason=INTERRUPTED)
        if status.is_complete:
            status = replace(status, state="done", reason="")
        document.write_from(con, job, status)
    details = _details(job, status.tally, failed)
    profile = {"step_seconds": {step: round(spent, 6) for step, spent in steps.items()}}
    told = status.encode() | details | clips | remarks.encode(job.spec) | profile
    write_json(layout.summary, sealed_values(told))
    return status


def _check_indexes(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """See that the index of every shard is what was written.

    Raises:
        DatasetDamaged: One is not.
    """
    for row in store.ask(con, "select distinct shard from parts where shard is not null"):
        try:
            check_index(layout.index_of(row["shard"]))
        except DatasetDamaged as damage:
            raise DatasetDamaged(f"{damage}; {store.NAMES_EACH}") from damage


def _status(job: Job, sums: Tally) -> Status:
    return Status(job=job.name, state="paused", out=job.out, inputs=job.inputs, tally=sums)


def _details(job: Job, sums: Tally, failed: Sequence[FailureGroup]) -> dict[str, Any]:
    """Return what ``summary.json`` tells beyond the status."""
    return {
        "version": version(),
        "spec": job.spec.encode(),
        "video_hours": round(sums.video_ns / _NS_PER_H, 6),
        "examples": {
            group.error_class: {
                "count": group.count,
                "path": group.examples[0].path,
                "message": group.examples[0].message,
            }
            for group in failed
        },
    }
