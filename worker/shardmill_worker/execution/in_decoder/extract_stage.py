"""The extract stage: the kept frames of a batch's rows into a shard, with its index and rows."""

from collections.abc import Generator, Iterator

import pyarrow as pa

from shardmill.contract.schema import Outcome
from shardmill.dataset.tally import Tally
from shardmill.dataset.work_table import facts_in, items_in, probe_seconds
from shardmill.ledger.telemetry import Failure
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.gauges import Gauges
from shardmill_worker.engine.work import ExtractWork
from shardmill_worker.execution.in_decoder import planner
from shardmill_worker.execution.in_decoder.work import BatchWork, StageResult


def extract(work: BatchWork, rows: pa.Table, gauges: Gauges) -> StageResult:
    """Extract the rows of a batch.

    Args:
        work: The batch.
        rows: Its rows, with columns of ``ITEMS`` and ``FACTS``.
        gauges: Show how far it is.

    Raises:
        EnvironmentFault: OUT cannot be written, or the input directory is missing.
    """
    items, facts, spec = items_in(rows), facts_in(rows), work.job.spec
    whole = planner.total(items, facts, spec)
    gauges.expect(frames=whole.frames, frames_kept=whole.frames_kept, cost_us=whole.cost_us)
    limits_s = [planner.timeout_s(*each, spec) for each in zip(items, facts, strict=True)]
    batch = _Rows(
        extract_batch(
            ExtractWork(
                roots=work.job.roots,
                out=work.job.out,
                tmp=work.attempt_dir,
                part_tmp=work.waiting_part,
                spec=spec,
                batch_id=work.batch.id,
                attempt=work.attempt,
                worker=work.worker,
                items=tuple(items),
                facts=tuple(facts),
                probe_s=probe_seconds(rows),
                ledger_s=work.ledger_s,
            ),
            gauges.advance,
        )
    )
    gauges.begin(items[0].path, limits_s[0])
    for done, _ in enumerate(batch, start=1):
        is_last = done == len(items)
        limit_s = max(planner.FINISH_S, *limits_s) if is_last else limits_s[done]
        gauges.begin("" if is_last else items[done].path, limit_s)
        gauges.finish()
    assert batch.table is not None
    tally = Tally.of_table(batch.table)
    return StageResult(
        counters=tally.counters() | {"worked_us": whole.cost_us},
        has_part=True,
        failures=Failure.last_of(batch.table) if tally.failed else (),
    )


class _Rows:
    """The outcomes of a batch, and its manifest rows once all are there."""

    def __init__(self, outcomes: Generator[Outcome, None, pa.Table]) -> None:
        self._outcomes = outcomes
        self.table: pa.Table | None = None

    def __iter__(self) -> Iterator[Outcome]:
        self.table = yield from self._outcomes
