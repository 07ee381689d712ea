"""The Celery application of a process that sends messages and runs no tasks."""

from celery import Celery

from shardmill.contract.names import APP
from shardmill.contract.settings import Settings, celery_configuration
from shardmill.ledger import closed_channel


def application(settings: Settings) -> Celery:
    """Return a new one, for the cluster that the settings name; the caller closes it."""
    closed_channel.install()
    app = Celery(APP, set_as_current=False, fixups=[])  # Django's fixup would load all of a worker
    app.config_from_object(celery_configuration(settings))
    return app
