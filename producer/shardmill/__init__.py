"""Turns a directory of videos and images into training-ready frame shards.

The Python interface has the shape of the command line::

    import shardmill

    status = shardmill.run("clips", out="shards", spec=shardmill.Spec(size="160x120", fps=24))

``run`` does everything on this machine; ``submit`` hands the directory to a cluster and returns
a ``Job``.  Names are loaded when first used: reading shards needs neither Celery nor Redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardmill.api import (
        cancel,
        clean,
        jobs,
        mend,
        pause,
        plan,
        probe,
        resume,
        retry,
        run,
        status,
        submit,
        watch,
    )
    from shardmill.contract.location.roots import Inputs
    from shardmill.contract.spec import Spec
    from shardmill.dataset.job import Status
    from shardmill.producer.job_handle import Job

_HOMES = {
    "Inputs": "shardmill.contract.location.roots",
    "Job": "shardmill.producer.job_handle",
    "Spec": "shardmill.contract.spec",
    "Status": "shardmill.dataset.job",
}
"""Where a name is, if not in ``shardmill.api``."""

__all__ = [
    "Inputs",
    "Job",
    "Spec",
    "Status",
    "cancel",
    "clean",
    "jobs",
    "mend",
    "pause",
    "plan",
    "probe",
    "resume",
    "retry",
    "run",
    "status",
    "submit",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'shardmill' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "shardmill.api")), name)
