"""Proof that an output directory is whole: nothing missing, nothing doubled, no byte changed.

Five questions, each over what the one before found readable: is every manifest part sound; is
the index of every shard; do manifest and index agree with each other and with ``job.json``; are
the files beside them whole, and do they fit the rows; do the bytes of every shard agree with its
index.
"""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shardmill.contract.errors import ITEM_ERRORS, DatasetDamaged
from shardmill.dataset import leftovers, manifest
from shardmill.dataset.checksum import check_seal
from shardmill.dataset.index import FRAME_COLUMNS, check_index, open_index, record_index
from shardmill.dataset.job import Job
from shardmill.dataset.layout import SUFFIXES, Layout
from shardmill.dataset.tally import Tally
from shardmill.report import store, summary
from shardmill.report.shard_bytes import faults
from shardmill.report.verify_results import is_finished, wrong_classes, wrong_job, wrong_results
from shardmill.storage import files
from shardmill.storage.files import open_to_read

MOST: Final = 20
"""How many problems of one kind, or of one shard, are told."""
RUN_AGAIN: Final = "run the same command again"

Advance = Callable[[int, int], None]
"""Called with the clips looked at and the clips there are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    file: str
    """A file of the output directory, or an input's path as printed in the manifest."""
    wrong: str
    """What was found, continuing ``file``: "is missing"."""
    mend: str
    """What to do about it."""
    part: str | None = None
    """The manifest part without which the work is done again; None if that happens anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What looking at everything gave."""

    inputs: int | None
    """Files the job has to do; None while they are being counted."""
    tally: Tally
    """Totals over the files that have all their rows."""
    problems: tuple[Problem, ...]
    """What is wrong; empty if the output directory is whole."""


def verify(out: str, *, deep: bool = False, advance: Advance | None = None) -> Verdict:
    """Return what is wrong with an output directory.

    Reads every byte of every shard, holding one frame at a time.

    Args:
        out: Output directory.
        deep: Decode every frame too.
        advance: Called after each shard.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: ``job.json`` cannot be understood.
        EnvironmentFault: The disk is full or may not be written.
    """
    job = store.job_of(out)
    layout = Layout(out)
    problems = [_problem(*wrong) for wrong in wrong_job(layout)]
    parts = list(_sound_parts(layout, problems))
    with closing(store.open_files(out, parts)) as con:
        tally = summary.tally_of(con)
        problems += _count_problems(con, job.inputs)
        shards = store.ask(con, store.sql("verify_shards"))
        sound = set(_sound_indexes(layout, shards, problems))
        store.add_clips(con, map(layout.index_of, sound))
        problems += _row_problems(con, job, {shard["shard"] for shard in shards} - sound)
        problems += (_problem(*wrong) for wrong in wrong_classes(con, layout, most=MOST))
        if not problems and is_finished(layout):  # of wrong rows, results cannot be right
            problems += (_problem(*wrong) for wrong in wrong_results(con, job, tally))
            problems += _orphans(layout, {shard["shard"] for shard in shards})
    done = 0
    for shard in shards:
        if shard["shard"] in sound:
            problems += _byte_problems(layout, shard["shard"], shard["part"], deep=deep)
        done += shard["clips"]
        if advance is not None:
            advance(done, tally.clips)
    return Verdict(inputs=job.inputs, tally=tally, problems=tuple(problems))


def _sound_parts(layout: Layout, problems: list[Problem]) -> Iterator[str]:
    """Yield the manifest parts that can be read to their end; tell of the others."""
    for path in layout.parts():
        name = os.path.basename(path)
        try:
            check_seal(path)
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
                columns = file.schema_arrow
        except (DatasetDamaged, pa.ArrowException, OSError) as error:
            problems.append(Problem(f"manifest/{name}", f"cannot be read: {error}", *_redo(name)))
            continue
        if columns.equals(manifest.SCHEMA):
            yield path
        else:
            wrong = "has other columns than this version's manifest"
            problems.append(Problem(f"manifest/{name}", wrong, *_redo(name)))


def _count_problems(con: duckdb.DuckDBPyConnection, inputs: int | None) -> Iterator[Problem]:
    """Yield where the files that have a row are others in number than the job's inputs.

    Of a file with rows all are there, or ``verify_rows`` finds the file that lacks some.
    """
    if inputs is None:
        yield Problem("job.json", "does not say how many inputs there are", RUN_AGAIN)
        return
    (found,) = store.ask(con, "select count(*) filter (segment = 0) as number from parts")
    if found["number"] < inputs:
        missing = inputs - found["number"]
        yield Problem("manifest", f"has no row for {missing} of {inputs} inputs", RUN_AGAIN)
    elif found["number"] > inputs:
        yield Problem(
            "manifest", f"has rows of {found['number']} files for {inputs} inputs", RUN_AGAIN
        )


def _sound_indexes(
    layout: Layout, shards: list[dict[str, Any]], problems: list[Problem]
) -> Iterator[str]:
    """Yield the shards whose index can be trusted to be one; tell of the others."""
    for shard in shards:
        name, part = shard["shard"], shard["part"]
        try:
            table = check_index(layout.index_of(name))
        except (DatasetDamaged, OSError) as error:
            problems.append(Problem(f"manifest/{part}", f"names {name}: {error}", *_redo(part)))
            continue
        index = os.path.relpath(layout.index_of(name), layout.out)
        lengths = [pc.list_value_length(table[name]) for name in FRAME_COLUMNS]
        if not pc.all(pc.equal(table["shard"], name), min_count=0).as_py():
            problems.append(Problem(index, "holds clips of another shard", *_redo(part)))
        elif not all(length.equals(lengths[0]) for length in lengths):
            problems.append(Problem(index, "has lists of different lengths", *_redo(part)))
        else:
            yield name


def _row_problems(
    con: duckdb.DuckDBPyConnection, job: Job, unreadable: set[str]
) -> Iterator[Problem]:
    """Yield what contradicts in the manifest, and between the manifest and the index."""
    found = store.ask(
        con,
        store.sql("verify_rows"),
        most=MOST,
        extract=job.goal == "extract",
        annotated=job.spec.is_annotated,
        splits=None if job.spec.is_annotated else [split.name for split in job.spec.splits],
        classes=list(ITEM_ERRORS),
        unreadable=sorted(unreadable),
    )
    for row in found:
        yield _problem(row["file"], row["wrong"], row["part"])


def _byte_problems(layout: Layout, shard: str, part: str, *, deep: bool) -> Iterator[Problem]:
    """Yield the first few contradictions between the bytes of a shard and its index."""
    index = open_index(layout.index_of(shard))
    found = faults(layout.shard(shard), index, deep=deep)
    yield from (Problem(f"shards/{shard}", wrong, *_redo(part)) for wrong in islice(found, MOST))
    if shard.endswith(SUFFIXES["tfrecord"]):
        records = layout.record_index_of(shard)
        if wrong := _record_index_fault(records, index):
            yield Problem(os.path.relpath(records, layout.out), wrong, *_redo(part))


def _record_index_fault(path: str, index: pa.Table) -> str | None:
    """Return what is wrong with the list of a TFRecord shard's records; None if it is sound."""
    places = (index[name].to_pylist() for name in ("record_offset", "record_length"))
    expected = record_index(zip(*places, strict=True))
    try:
        with os.fdopen(open_to_read(path), "rb") as file:
            found = file.read(len(expected) + 1)
    except FileNotFoundError:
        return "is missing"
    except (OSError, DatasetDamaged) as error:
        return f"cannot be read: {error}"
    return None if found == expected else "does not tell where the records of its shard lie"


def _orphans(layout: Layout, committed: set[str]) -> Iterator[Problem]:
    """Yield the first few files that belong to no shard of the manifest."""
    clean = f"remove it with `shardmill clean {shlex.quote(layout.out)} --yes`"
    for orphan in leftovers.orphans(layout, committed)[:MOST]:
        yield Problem(orphan.path, "belongs to no row", clean)


def _problem(file: str, wrong: str, part: str | None) -> Problem:
    return Problem(file, wrong, *(_redo(part) if part is not None else (RUN_AGAIN,)))


def _redo(part: str) -> tuple[str, str]:
    """Return how to have the work of one manifest part done again, and the part."""
    return f"remove manifest/{part} and {RUN_AGAIN}", part


def withdraw(out: str, problems: Iterable[Problem]) -> int:
    """Remove the manifest parts that problems name; return how many there were.

    What only they committed is then done again by the job's own command.

    Raises:
        OSError: A part cannot be removed.
    """
    parts = {problem.part for problem in problems if problem.part is not None}
    for part in parts:
        files.remove(os.path.join(Layout(out).manifest, part))
    return len(parts)
