"""The results of a job, written in a decoder: totals, report and summary.

DuckDB and Arrow may end the process that they run in where memory is short or a file is damaged.
A decoder is watched: its slot knows of its end at once, and the worker lives on.
"""

from typing import Final

from shardmill.contract.errors import MORE_MEMORY, DatasetDamaged, EnvironmentFault, UsageError
from shardmill.dataset import leftovers
from shardmill.dataset.layout import Layout
from shardmill_worker.engine.faults import output_faults
from shardmill_worker.execution.in_decoder.work import FinishWork

RESULTS_S: Final = 12 * 3600.0
"""A hundred thousand shards take minutes."""


def write_results(work: FinishWork) -> None:
    """Remove what no manifest part names, then write ``files.parquet``, report and summary.

    Every batch is counted by now, so what no part names belongs to nobody.

    Raises:
        DatasetDamaged: The manifest cannot be read, or lacks rows.
        EnvironmentFault: The disk is full or may not be written, or memory is short.
    """
    job = work.job
    layout = Layout(job.out)
    try:
        from shardmill.report import summary  # DuckDB: no other work of a decoder needs it

        with output_faults(job.out):
            leftovers.remove(layout, leftovers.find(layout, run=work.run))
            status = summary.finish(job)
    except UsageError as error:  # ``job.json`` is gone
        raise DatasetDamaged(str(error)) from error
    except (ImportError, MemoryError) as error:  # a library that does not fit into memory
        fault = f"cannot write the job's totals: {type(error).__name__}: {error}; {MORE_MEMORY}"
        raise EnvironmentFault(fault) from error
    if status.state != "done":
        raise DatasetDamaged(f"{job.out} has lost rows of its manifest: run the same command again")
