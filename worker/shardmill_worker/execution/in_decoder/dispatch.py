"""The decoder's program: each kind of work goes to the code that does it."""

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.work_table import AGAIN, TableReader, is_probed
from shardmill_worker.engine.faults import reading_faults
from shardmill_worker.engine.gauges import Gauges
from shardmill_worker.execution.in_decoder.committed import count_committed
from shardmill_worker.execution.in_decoder.extract_stage import extract
from shardmill_worker.execution.in_decoder.failed_row import fail
from shardmill_worker.execution.in_decoder.probe_stage import probe
from shardmill_worker.execution.in_decoder.results import RESULTS_S, write_results
from shardmill_worker.execution.in_decoder.work import (
    PREPARE_S,
    CommittedWork,
    FinishWork,
    StageResult,
    Work,
)


class Stages:
    """Does the work of one decoder; keeps the table that it read last."""

    def __init__(self) -> None:
        self._tables = TableReader()

    def do(self, work: Work, gauges: Gauges) -> StageResult:
        """Do a piece of work.

        Raises:
            EnvironmentFault: This machine cannot do it now.
            DatasetDamaged: The output directory contradicts itself.
        """
        gauges.reset(PREPARE_S)
        if isinstance(work, FinishWork):
            gauges.begin("", RESULTS_S)
            write_results(work)
            return StageResult()
        batch = work.batch
        folder = work.job.layout.work_of(work.run)
        with reading_faults(work.job.out):
            rows = self._tables.read(folder, batch.table, batch.first, batch.end)
            if isinstance(work, CommittedWork):
                return count_committed(work, rows)
        if work.verdict is not None:
            return fail(work, rows, work.verdict)
        if batch.stage == "probe":
            return probe(work, rows, gauges)
        if not is_probed(rows):
            raise DatasetDamaged(f"{batch.table} has nothing that was probed: {AGAIN}")
        return extract(work, rows, gauges)
