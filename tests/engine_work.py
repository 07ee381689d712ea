"""Work for the engine, and what comes of it, without slot, pipe or ledger."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from shardmill.contract.batch import Batch
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts, Item, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Goal, Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part
from shardmill.dataset.manifest_rows import items_table
from shardmill.dataset.tally import Tally
from shardmill.dataset.work_table import TableReader, facts_in, items_in, without_rest
from shardmill_worker.engine.gauges import Gauges, Shared
from shardmill_worker.engine.input_file import InputFile, open_item
from shardmill_worker.engine.work import ExtractWork
from shardmill_worker.execution.in_decoder.probe_stage import probe
from shardmill_worker.execution.in_decoder.work import BatchWork, StageResult


def extract_work(
    root: str | Path,
    out: str | Path,
    items: Sequence[Item],
    facts: Sequence[Facts],
    spec: Spec | None = None,
    *,
    batch_id: str = "batch",
) -> ExtractWork:
    """Return an extraction, having made the directories that producer and worker make for it."""
    layout = Layout(str(out))
    layout.make()
    tmp = layout.attempt(batch_id, "attempt")
    os.makedirs(tmp, exist_ok=True)
    return ExtractWork(
        roots=Roots.of(str(root)),
        out=str(out),
        tmp=tmp,
        part_tmp=os.path.join(tmp, "rows.parquet"),
        spec=spec or Spec(),
        batch_id=batch_id,
        attempt="attempt",
        worker="worker",
        items=tuple(items),
        facts=tuple(facts),
    )


class Probed(Struct, frozen=True):
    """What the probe stage made of a batch."""

    result: StageResult
    rows: list[Row]
    """Rows that end with it."""
    tally: Tally
    """Of them, as they are read back."""
    pieces: list[tuple[Item, Facts]]
    """What is to be extracted, in the order of its batches."""
    sizes: list[int]
    """Number of pieces in each of these."""
    gauges: Gauges


def probed(
    root: str | Path, items: Sequence[Item], spec: Spec | None = None, *, goal: Goal = "probe"
) -> Probed:
    """Probe items as one batch, in an output directory of its own."""
    gauges = Gauges(Shared())
    with TemporaryDirectory() as out:
        batch = Batch(id="0" * 16, stage="probe", table="inputs-0", first=0, end=len(items))
        job = Job(name="job", root=str(root), out=out, spec=spec or Spec(), goal=goal)
        work = BatchWork(job=job, run="run", batch=batch, attempt="attempt", worker="worker")
        job.layout.make()
        os.makedirs(work.attempt_dir)
        os.makedirs(job.layout.work_of("run"), exist_ok=True)
        result = probe(work, without_rest(items_table(items)), gauges)
        pieces = [piece for child in result.children for piece in _pieces(work, child)]
        part = work.waiting_part
        assert result.has_part == os.path.exists(part)
        return Probed(
            result,
            list(read_part(part)) if result.has_part else [],
            Tally.of_part(part) if result.has_part else Tally(),
            pieces,
            [len(child) for child in result.children],
            gauges,
        )


def _pieces(work: BatchWork, child: Batch) -> list[tuple[Item, Facts]]:
    folder = work.job.layout.work_of(work.run)
    rows = TableReader().read(folder, child.table, child.first, child.end)
    return list(zip(items_in(rows), facts_in(rows), strict=True))


def look_at(look: Callable[[InputFile, Item], Facts | None], root: str, item: Item) -> Facts | None:
    """Return what one way of looking at an open file says of an item."""
    with open_item(root, item) as file:
        return look(file, item)
