"""Messages to the workers: two names each.  They are hints; the ledger is the truth."""

from collections.abc import Mapping
from typing import Any

from kombu.exceptions import OperationalError

from shardmill.contract.batch import Batch, Stage
from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.names import QUEUES, TASKS
from shardmill.contract.title import title


def send(app: Any, job: str, batches: Mapping[str, Batch | Stage]) -> None:
    """Send the messages of a job's batches.

    Args:
        app: The Celery application of this process.
        job: Name of the job.
        batches: The batches, by their names; of one that is not at hand its stage will do, and
            Flower then shows no more than the job.

    Raises:
        LedgerUnavailable: Redis does not answer; workers find them missing and send them again.
    """
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for batch_id, batch in batches.items():
                stage = batch.stage if isinstance(batch, Batch) else batch
                shown = title(job, batch) if isinstance(batch, Batch) else job
                app.send_task(
                    TASKS[stage],
                    args=[job, batch_id],
                    queue=QUEUES[stage],
                    producer=producer,
                    argsrepr=shown,
                    kwargsrepr="",
                )
    except OperationalError as error:
        raise LedgerUnavailable(f"Redis takes no messages: {error}") from error
