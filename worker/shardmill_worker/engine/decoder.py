"""The decoder child: takes work from a pipe, does it, answers once.

All native media code runs here and nowhere else.  How far the work is stands in shared memory (see
``gauges``), so whoever watches knows the guilty row when the process dies.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

import cv2

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.contract.quantity import printable
from shardmill_worker.engine.gauges import Gauges

PR_SET_PDEATHSIG: Final = 1

Message = tuple[Literal["done"], Any] | tuple[Literal["environment", "damaged", "broken"], str]
"""``done`` with the result; ``environment`` if this machine is at fault, ``damaged`` if the output
directory is, ``broken`` if shardmill is."""


def serve(
    pipe: "Connection[Message, Any]", gauges: Gauges, do: Callable[[Any, Gauges], Any]
) -> None:
    """Do what comes through the pipe until its other end is closed.

    Args:
        pipe: Work comes in, results go out.
        gauges: Show how far the work is.
        do: Does a piece of work and returns its result.
    """
    _die_with_the_worker()
    _fall_silent()
    cv2.setNumThreads(1)
    while True:
        try:
            work = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(("done", do(work, gauges)))
        except EnvironmentFault as fault:
            pipe.send(("environment", str(fault)))
        except DatasetDamaged as damage:
            pipe.send(("damaged", str(damage)))
        except Exception as error:  # noqa: BLE001 - the one boundary: a bug becomes a failed row
            pipe.send(("broken", printable(f"{type(error).__name__}: {error}")))
            sys.exit(1)


def _die_with_the_worker() -> None:
    """End with the worker whatever ends it, and take no part in its shutdown.

    A decoder that hangs in native code reads no pipe, so the kernel must end it; and it holds
    the fork server's keep-alive pipe open, which would keep both for ever.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    keep_alive = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)  # noqa: SLF001
    if keep_alive is not None:
        os.close(keep_alive)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)


def _fall_silent() -> None:
    """Let what native code prints come to nothing: a file must not fill the worker's log.

    What it has to say of a file comes as an error, of its end as an exit code.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
