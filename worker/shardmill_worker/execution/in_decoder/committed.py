"""A batch whose manifest part another attempt has committed: what it came to, what it lacks."""

import pyarrow as pa

from shardmill.dataset.manifest import path_bytes, read_columns
from shardmill.dataset.tally import COLUMNS, Tally
from shardmill.dataset.work_table import runs_of
from shardmill.ledger.telemetry import Failure
from shardmill_worker.execution.in_decoder.work import CommittedWork, StageResult


def count_committed(work: CommittedWork, rows: pa.Table) -> StageResult:
    """Return what the committed rows of a batch leave to the ledger.

    Rows that are not among them follow as batches of their own.

    Raises:
        DatasetDamaged: The part cannot be read.
    """
    part = work.job.layout.part(work.batch.id)
    names = {*COLUMNS, "path", "path_raw", "segment", "error_message"}
    table = read_columns(part, sorted(names))
    known = set(zip(path_bytes(table).to_pylist(), table["segment"].to_pylist(), strict=True))
    segments = rows["segment"].to_pylist() if "segment" in rows.column_names else [0] * len(rows)
    keys = zip(rows["path"].to_pylist(), segments, strict=True)
    left = [row for row, key in enumerate(keys) if key not in known]
    probed = {}
    if work.batch.stage == "probe":
        probed = {"probed": segments.count(0) - sum(not segments[row] for row in left)}
    return StageResult(
        counters=Tally.of_table(table).counters() | probed,
        children=tuple(work.batch.part(first, end) for first, end in runs_of(left)),
        has_part=True,
        failures=Failure.last_of(table),
    )
