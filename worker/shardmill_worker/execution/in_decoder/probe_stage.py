"""The probe stage: what the files of a batch are, as manifest rows or as the table to extract.

Rows that end here (failed, skipped, or all where probing is the goal) are written to a manifest
part.  Rows that are to be extracted go to a table with their facts, cut into batches of about equal
cost; a video that is much work becomes several rows of it.
"""

import time
from itertools import repeat
from typing import Final

import numpy as np
import pyarrow as pa
from msgspec.structs import replace
from numpy.typing import NDArray

from shardmill.contract.batch import Batch
from shardmill.contract.errors import ItemError, Skip
from shardmill.contract.schema import Facts, Item, Outcome
from shardmill.contract.spec import Spec
from shardmill.dataset.manifest import write_part
from shardmill.dataset.manifest_rows import Shared, facts_table, items_table, manifest_table
from shardmill.dataset.tally import Tally
from shardmill.dataset.work_table import (
    batch_of,
    files_in,
    items_in,
    with_probe_seconds,
    write_table,
)
from shardmill.ledger.telemetry import Failure
from shardmill_worker.engine.count import count_packets, decode_all
from shardmill_worker.engine.division import choose, items_of
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.engine.gauges import Gauges
from shardmill_worker.engine.image_sequence import probe_sequence
from shardmill_worker.engine.pictures import PictureProbe
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.work import Divided
from shardmill_worker.execution.in_decoder import planner
from shardmill_worker.execution.in_decoder.work import BatchWork, StageResult

NO_FACTS: Final = Facts()
OK: Final = Outcome(status="ok")
ONE_FRAME: Final = Outcome(status="ok", frames_kept=1)


class _Found:
    """What was found of the rows of a batch, in columns: a piece is a row or a part of one."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        """Number of the row that each piece is of."""
        self.facts: list[Facts] = []
        self.outcomes: list[Outcome] = []
        self.cut: dict[int, Item] = {}
        """The pieces that are parts of their row: number of the piece to the item that it is."""

    def add(self, row: int, facts: Facts, outcome: Outcome = OK) -> None:
        """Add a piece."""
        self.rows.append(row)
        self.facts.append(facts)
        self.outcomes.append(outcome)

    def pieces(self, rows: pa.Table) -> pa.Table:
        """Return the pieces as columns of ``ITEMS``."""
        if not self.cut:
            return rows if self.rows == list(range(rows.num_rows)) else rows.take(self.rows)
        given = rows.take(self.rows).select([n for n in rows.column_names if n not in _CUT_COLUMNS])
        items = items_in(rows.take(self.rows))
        for piece, item in self.cut.items():
            items[piece] = item
        cut = items_table(items).select(list(_CUT_COLUMNS))
        return pa.Table.from_arrays(
            [*given.columns, *cut.columns], names=[*given.column_names, *cut.column_names]
        )


_CUT_COLUMNS: Final = (
    *("segment", "segments", "start_ns", "end_ns", "clip_start_ns", "clip_end_ns"),
)
"""Columns in which a part differs from the row that it is of."""


def probe(work: BatchWork, rows: pa.Table, gauges: Gauges) -> StageResult:
    """Probe the rows of a batch.

    Args:
        work: The batch.
        rows: Its rows, with columns of ``ITEMS``.
        gauges: Show how far it is.

    Raises:
        EnvironmentFault: OUT cannot be written, or the input directory is missing.
    """
    began_s = time.perf_counter()
    found = _look(work, rows, gauges)
    gauges.begin("", planner.FINISH_S)
    probe_s = (time.perf_counter() - began_s) / rows.num_rows
    shared = Outcome(
        status="ok",
        worker=work.worker,
        probe_s=probe_s,
        ledger_s=work.ledger_s / rows.num_rows,
    )
    pieces = found.pieces(rows)
    ends = _ends(work, found)
    counters = {"probed": files_in(rows)}
    children: tuple[Batch, ...] = ()
    ahead: dict[str, int] = {}
    if not ends.all():
        children, ahead = _plan(work, pieces, found, ~ends, probe_s)
    if not ends.any():
        return StageResult(counters=counters | ahead, children=children)
    table = _rows_that_end(pieces, found, ends, shared)
    with output_faults(work.job.out):
        write_part(work.waiting_part, table)
    return StageResult(
        counters=counters | ahead | Tally.of_table(table).counters(),
        children=children,
        has_part=True,
        failures=Failure.last_of(table),
    )


def _ends(work: BatchWork, found: _Found) -> NDArray[np.bool_]:
    """Return which pieces have their manifest row with this batch."""
    if work.job.goal != "extract":
        return np.ones(len(found.rows), np.bool_)
    return np.array([outcome.status != "ok" for outcome in found.outcomes], np.bool_)


def _rows_that_end(
    pieces: pa.Table,
    found: _Found,
    ends: NDArray[np.bool_],
    shared: Outcome,
) -> pa.Table:
    """Return the manifest rows of some pieces."""
    which = np.flatnonzero(ends)
    facts = Shared(found.facts[piece] for piece in which.tolist())
    outcomes = Shared(found.outcomes[piece] for piece in which.tolist())
    outcomes.distinct = [
        replace(outcome, worker=shared.worker, probe_s=shared.probe_s, ledger_s=shared.ledger_s)
        for outcome in outcomes.distinct
    ]
    items = pieces if len(which) == pieces.num_rows else pieces.take(which)
    return manifest_table(items, facts, outcomes)


def _plan(
    work: BatchWork,
    pieces: pa.Table,
    found: _Found,
    sound: NDArray[np.bool_],
    probe_s: float,
) -> tuple[tuple[Batch, ...], dict[str, int]]:
    """Write the table of what is to be extracted; return its batches and what they come to."""
    which = np.flatnonzero(sound)
    spec = work.job.spec
    taken = pieces.take(which)
    items = items_in(taken)
    facts = [found.facts[piece] for piece in which.tolist()]
    order, edges = planner.plan(items, facts, spec)
    ordered = Shared(facts[i] for i in order)
    table = pa.Table.from_arrays(
        [*taken.take(order).columns, *facts_table(ordered).columns],
        names=[*taken.column_names, *facts_table(ordered).column_names],
    )
    folder = work.job.layout.work_of(work.run)
    table = with_probe_seconds(table, probe_s * len(set(found.rows)) / len(order))
    with output_faults(work.job.out):
        name = write_table(folder, f"probed-{work.batch.id}-{work.attempt}", table)
    children = tuple(
        batch_of(table, first, end, name=name, stage="extract", spec_key=spec.key)
        for first, end in edges
    )
    ahead = planner.total(items, facts, spec)
    return children, {
        "planned_frames": ahead.frames_kept,
        "planned_us": ahead.cost_us,
        "planned_ms2": planner.scatter_ms2(items, facts, spec),
    }


def _look(work: BatchWork, rows: pa.Table, gauges: Gauges) -> _Found:
    """Return what each row is: plain pictures by their header alone, others one by one."""
    found = _Found()
    spec, roots = work.job.spec, work.job.roots
    pictures = PictureProbe(rows, roots)
    by_header = not (spec.check or spec.count_frames)
    one_by_one = _OneByOne(work, rows, gauges)
    of_picture = ONE_FRAME if work.job.goal == "choose" else OK
    for row in range(rows.num_rows):
        facts = pictures.facts_of(row) if by_header else None
        if facts is not None:
            found.add(row, facts, of_picture)
        else:
            one_by_one.look(row, found)
        gauges.finish()
    return found


class _OneByOne:
    """Probes rows that are not plain pictures; of several ranges of a file the first is probed."""

    def __init__(self, work: BatchWork, rows: pa.Table, gauges: Gauges) -> None:
        self._work = work
        self._rows = rows
        self._gauges = gauges
        self._items: list[Item] = []
        self._path = ""
        self._answer: Facts | Outcome | Divided | None = None

    def look(self, row: int, found: _Found) -> None:
        """Add what a row is, or the parts that it becomes."""
        self._items = self._items or items_in(self._rows)
        item, work = self._items[row], self._work
        self._gauges.begin(item.path, planner.timeout_s(item, None, work.job.spec))
        chooses = work.job.goal == "choose"
        if self._answer is None or item.path != self._path or chooses:
            self._path, self._answer = item.path, self._probe(item)
        answer = self._answer
        if isinstance(answer, Outcome):
            found.add(row, NO_FACTS, answer)
        elif isinstance(answer, Facts):
            found.add(row, answer)
        else:
            kept = answer.kept or repeat(None)
            for part, frames_kept in zip(answer.items, kept, strict=False):
                if part != item:
                    found.cut[len(found.rows)] = part
                outcome = OK if frames_kept is None else replace(OK, frames_kept=frames_kept)
                found.add(row, answer.facts, outcome)

    def _probe(self, item: Item) -> Facts | Outcome | Divided:
        work, advance = self._work, self._gauges.advance
        spec: Spec = work.job.spec
        base = work.job.roots.base_of(item.path)
        try:
            if item.sequence is not None:
                facts = probe_sequence(base, item)
            else:
                facts = probe_item(base, item, keep_partial=spec.keep_partial)
            if spec.check:
                decoded = decode_all(base, item, advance)
                changes = decoded.size_changes if facts.kind == "video" else None
                facts = replace(facts, frames_counted=decoded.frames, size_changes=changes)
            elif spec.count_frames:
                facts = replace(facts, frames_counted=count_packets(base, item, advance))
            if work.job.goal == "choose":
                return choose(base, item, facts, spec, advance)
            if work.job.goal == "extract":
                items = items_of(base, item, facts, spec, advance)
                return facts if items == (item,) else Divided(facts, items)
        except Skip as reason:
            return Outcome(status="skipped", error_stage="probe", error_message=str(reason))
        except ItemError as error:
            return Outcome.of_error(error, stage="probe")
        return facts
