"""The manifest row of an item that no decoder may touch again."""

import pyarrow as pa

from shardmill.contract.schema import Facts, Outcome
from shardmill.dataset.manifest import write_part
from shardmill.dataset.manifest_rows import Shared, manifest_table
from shardmill.dataset.tally import Tally
from shardmill.dataset.work_table import facts_in, files_in, is_probed
from shardmill.ledger.telemetry import Failure
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.execution.in_decoder.work import BatchWork, StageResult


def fail(work: BatchWork, rows: pa.Table, verdict: Outcome) -> StageResult:
    """Write the one row of a batch with what became of it.

    Raises:
        EnvironmentFault: OUT cannot be written.
    """
    (facts,) = facts_in(rows) if is_probed(rows) else (Facts(),)
    table = manifest_table(rows, Shared([facts]), Shared([verdict]))
    with output_faults(work.job.out):
        write_part(work.waiting_part, table)
    probed = {"probed": files_in(rows)} if work.batch.stage == "probe" else {}
    return StageResult(
        counters=Tally.of_table(table).counters() | probed,
        has_part=True,
        failures=Failure.last_of(table),
    )
