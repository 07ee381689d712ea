"""The Python interface: the same verbs as the command line, which is a thin layer over it.

A verb is loaded when it is first used: who starts a job should not wait for what reports need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shardmill.api.mending import mend, retry
    from shardmill.api.planning import plan
    from shardmill.api.starting import probe, run, submit
    from shardmill.api.steering import cancel, clean, jobs, pause, resume, status, watch

_HOMES = {
    "starting": ("probe", "run", "submit"),
    "planning": ("plan",),
    "mending": ("mend", "retry"),
    "steering": ("cancel", "clean", "jobs", "pause", "resume", "status", "watch"),
}

__all__ = [
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
    for home, verbs in _HOMES.items():
        if name in verbs:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
