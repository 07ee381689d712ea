"""How far a job is, from its output directory alone, and the totals it ends with."""

import os
import time
from contextlib import closing
from typing import Any, Final
from uuid import uuid4

import duckdb

from shardmill.contract.job import VERSION, Job, State, Status, is_locked, read_json, write_json
from shardmill.contract.layout import Layout
from shardmill.contract.sampling import NS_PER_S
from shardmill.contract.tally import Tally
from shardmill.report import failures, store
from shardmill.report.page import document

INTERRUPTED: Final = "interrupted: the same command goes on"
"""Why a job is paused that nobody works on."""
_NS_PER_H: Final = 3600 * NS_PER_S


def tally(out: str) -> Tally:
    """Return the sums over all committed rows, equal to ``Tally.of`` them.

    Raises:
        DatasetDamaged: The manifest cannot be read.
    """
    with closing(store.open_files(out)) as con:
        return tally_of(con)


def tally_of(con: duckdb.DuckDBPyConnection) -> Tally:
    """Return the sums over the table ``files`` of a connection."""
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
    sums = tally(out)
    if _complete(job, sums) and os.path.exists(layout.summary):
        return _status(job, sums, "done", seconds=read_json(layout.summary).get("seconds", 0.0))
    if is_locked(layout):
        return _status(job, sums, "running", seconds=time.time() - job.started_s)
    last_commit_s = os.stat(layout.manifest).st_mtime if sums.items else job.started_s
    return _status(job, sums, "paused", seconds=max(0.0, last_commit_s - job.started_s))


def finish(job: Job) -> Status:
    """Write ``files.parquet``, the report and ``summary.json``, each whole or not at all.

    The summary comes last: where it is, all is there.

    Raises:
        EnvironmentFault: The disk is full or may not be written.
        DatasetDamaged: The manifest cannot be read.
    """
    layout = Layout(job.out)
    with closing(store.open_files(job.out)) as con:
        sums = tally_of(con)
        (clips,) = store.ask(con, store.sql("clip_frames"))
        _write_files(con, layout)
    state: State = "done" if _complete(job, sums) else "paused"
    status = _status(job, sums, state, seconds=time.time() - job.started_s)
    document.write(job.out, status)
    write_json(layout.summary, status.encode() | _details(job, sums) | clips)
    return status


def _complete(job: Job, sums: Tally) -> bool:
    return job.inputs is not None and sums.items >= job.inputs


def _status(job: Job, sums: Tally, state: State, *, seconds: float) -> Status:
    return Status(
        job=job.name,
        state=state,
        out=job.out,
        inputs=job.inputs,
        tally=sums,
        seconds=seconds,
        reason=INTERRUPTED if state == "paused" else "",
    )


def _details(job: Job, sums: Tally) -> dict[str, Any]:
    """Return what ``summary.json`` tells beyond the status."""
    return {
        "version": VERSION,
        "spec": job.spec.encode(),
        "video_hours": round(sums.video_ns / _NS_PER_H, 6),
        "examples": {
            group.error_class: {
                "count": group.count,
                "path": group.examples[0].path,
                "message": group.examples[0].message,
            }
            for group in failures.groups(job.out)
        },
    }


def _write_files(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Write all manifest parts as one table, ordered by path and segment."""
    os.makedirs(layout.tmp, exist_ok=True)
    partial = os.path.join(layout.tmp, f"files-{uuid4().hex}.parquet")
    target = partial.replace("'", "''")
    try:
        store.ask(
            con,
            f"copy (from files order by path, segment) to '{target}' "
            "(format parquet, compression zstd)",
        )
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, layout.files)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
