"""Messages to the workers: two names each, nothing else."""

from collections.abc import Mapping

from celery import Celery
from kombu.exceptions import OperationalError

from shardmill.contract.batch import Stage
from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.names import APP, QUEUES, TASKS
from shardmill.contract.settings import Settings, celery_configuration


class Queue:
    """The producer's end of the queue."""

    def __init__(self, settings: Settings) -> None:
        self._app = Celery(APP, set_as_current=False)
        self._app.config_from_object(celery_configuration(settings))

    def publish(self, job: str, batches: Mapping[str, Stage]) -> None:
        """Send the messages of a job's batches.

        A message that is lost is found missing and sent again by the workers.

        Raises:
            LedgerUnavailable: Redis does not answer.
        """
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for batch_id, stage in batches.items():
                    self._app.send_task(
                        TASKS[stage], args=[job, batch_id], queue=QUEUES[stage], producer=producer
                    )
        except OperationalError as error:
            raise LedgerUnavailable(f"Redis takes no messages: {error}") from error

    def close(self) -> None:
        """Give up the connections to Redis."""
        self._app.close()
