"""The Celery application of a worker: ``celery -A shardmill_worker.app`` finds it here."""

from celery import Celery

from shardmill.contract.names import APP
from shardmill.contract.settings import Settings, celery_configuration
from shardmill_worker import transport_fix

settings = Settings.from_environment()
transport_fix.install()
app = Celery(APP, include=["shardmill_worker.tasks"], set_as_current=False)
app.config_from_object(celery_configuration(settings))
