"""The Celery application of a worker: ``celery -A shardmill_worker.app`` finds it here."""

from typing import Final

from celery import Celery
from kombu.entity import Queue

from shardmill.contract.names import APP, QUEUES
from shardmill.contract.settings import Settings, celery_configuration
from shardmill_worker.service import kombu_patch

PARTS: Final = [f"shardmill_worker.service.{part}" for part in ("tasks", "heartbeat", "control")]
"""Modules that add something to the application when they are imported."""

settings = Settings.from_environment()
kombu_patch.install()
app = Celery(APP, include=PARTS, set_as_current=False, fixups=[])  # no Django here
app.config_from_object(celery_configuration(settings))
# Flower understands only objects here, and the light side, which has no kombu, only names.
app.conf.task_queues = [
    Queue(queue, routing_key=queue)  # type: ignore[no-untyped-call]
    for queue in QUEUES.values()
]
