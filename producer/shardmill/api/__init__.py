"""The Python interface: the same verbs as the command line, which is a thin layer over it."""

from shardmill.api.starting import plan, probe, retry, run, submit
from shardmill.api.steering import cancel, clean, jobs, pause, resume, status, watch

__all__ = [
    "cancel",
    "clean",
    "jobs",
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
