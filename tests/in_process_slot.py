"""A slot that does its work in this process, and batches of files for it to do."""

import threading
from collections.abc import Sequence

from shardmill.contract.batch import Batch
from shardmill.contract.schema import Facts, Item
from shardmill.dataset.job import Job
from shardmill.dataset.manifest_rows import Shared, facts_table, items_table
from shardmill.dataset.work_table import batch_of, write_table
from shardmill.storage import files
from shardmill_worker.engine import gauges
from shardmill_worker.execution.in_decoder.dispatch import Stages
from shardmill_worker.execution.in_decoder.work import StageResult, Work


class InProcessSlot:
    """A slot without a decoder."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.done: list[Work] = []
        """What it was asked, in order."""
        self._gauges = gauges.Shared()
        self._stages = Stages()

    @property
    def decoded(self) -> int:
        return self._gauges.decoded

    @property
    def finished(self) -> int:
        return self._gauges.finished

    def run(self, work: Work, **_: object) -> StageResult:
        self.done.append(work)
        return self._stages.do(work, gauges.Gauges(self._gauges))

    def kill(self) -> None:
        """There is no decoder."""


def batch_in(
    job: Job, run: str, items: Sequence[Item], facts: Sequence[Facts] | None = None
) -> Batch:
    """Write a table of work and return the batch of all its rows: to extract if it has facts."""
    table = items_table(items)
    for field, column in zip(*_columns(facts), strict=True):
        table = table.append_column(field, column)
    folder = job.layout.work_of(run)
    files.make_directories(folder)
    name = write_table(folder, "files-0", table)
    stage = "probe" if facts is None else "extract"
    return batch_of(table, 0, len(items), name=name, stage=stage, spec_key=job.spec.key)


def _columns(facts: Sequence[Facts] | None) -> tuple[list, list]:
    if facts is None:
        return [], []
    table = facts_table(Shared(facts))
    return list(table.schema), list(table.columns)
