"""Messages to the workers: two names each.  They are hints; the ledger is the truth."""

from collections.abc import Mapping
from typing import Any

import redis
from kombu.exceptions import OperationalError

from shardmill.contract.batch import Stage
from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.names import QUEUES, TASKS


def send(app: Any, job: str, batches: Mapping[str, Stage]) -> None:
    """Send the messages of a job's batches.

    Args:
        app: The Celery application of this process.
        job: Name of the job.
        batches: Stage of each batch, by its name.

    Raises:
        LedgerUnavailable: Redis does not answer; workers find them missing and send them again.
    """
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for batch_id, stage in batches.items():
                app.send_task(
                    TASKS[stage], args=[job, batch_id], queue=QUEUES[stage], producer=producer
                )
    except (OperationalError, redis.RedisError) as error:
        raise LedgerUnavailable(f"Redis takes no messages: {error}") from error
