"""Messages to the workers: two names each, hints, for the ledger is the truth; and questions."""

from collections.abc import Iterable, Mapping
from typing import Any

import redis
from kombu.exceptions import OperationalError

from shardmill.contract.batch import Batch
from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.names import QUEUES, TASKS
from shardmill.contract.title import title


def send(app: Any, job: str, batches: Iterable[Batch]) -> None:
    """Send the messages of a job's batches.

    Args:
        app: The Celery application of this process.
        job: Name of the job.
        batches: The batches; of one whose payload is not at hand its name and stage suffice.

    Raises:
        LedgerUnavailable: Redis does not answer; workers find them missing and send them again.
    """
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for batch in batches:
                app.send_task(
                    TASKS[batch.stage],
                    args=[job, batch.id],
                    queue=QUEUES[batch.stage],
                    producer=producer,
                    argsrepr=title(job, batch),
                    kwargsrepr="",
                )
    except (OperationalError, redis.RedisError) as error:
        raise LedgerUnavailable(f"Redis takes no messages: {error}") from error


def ask(
    app: Any, command: str, arguments: Mapping[str, Any], *, answers: int, patience_s: float
) -> dict[str, str]:
    """Ask all workers something over Celery's remote control; return each one's answer by its name.

    Args:
        app: The Celery application of this process.
        command: Name of the control command.
        arguments: Its arguments.
        answers: How many to wait for.
        patience_s: How long to wait for the next one.

    Raises:
        LedgerUnavailable: Redis does not answer.
    """
    try:
        replies = app.control.broadcast(
            command, arguments=arguments, reply=True, limit=answers, timeout=patience_s
        )
    except (OperationalError, redis.RedisError) as error:
        raise LedgerUnavailable(f"Redis takes no messages: {error}") from error
    return {
        node.partition("@")[2]: answer
        for reply in replies or []
        for node, answer in reply.items()
        if isinstance(answer, str)  # an older worker answers with an error of its own
    }
