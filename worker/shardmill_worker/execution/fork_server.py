"""The process that decoders are forked from, with the media libraries loaded once."""

import multiprocessing
from multiprocessing import forkserver
from typing import Any, Final

PRELOADED: Final = ["shardmill_worker.execution.in_decoder.preload"]


def context() -> Any:
    """Return what decoders are started with."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def start() -> None:
    """Start the server and do not wait: loading takes it as long as loading Celery takes us."""
    context()
    forkserver.ensure_running()
