"""The decoder child: takes work from a pipe, does it, streams one answer an item.

All native media code runs here and nowhere else.  The items are done in their order and counted
in shared memory, so whoever watches knows the guilty one when the process dies.  The results of a
job are written here too, by a function that the worker hands in.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from ctypes import c_uint64
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Final, Literal

import cv2

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.contract.quantity import printable
from shardmill.dataset.tally import Tally
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe_batch import probe_batch
from shardmill_worker.engine.work import (
    Advance,
    Answer,
    Answers,
    ExtractWork,
    FinishWork,
    ProbeWork,
    Work,
)

PR_SET_PDEATHSIG: Final = 1

Message = (
    tuple[Literal["results"], list[Answer]]
    | tuple[Literal["done"], Tally | None]
    | tuple[Literal["environment", "damaged", "broken"], str]
)
"""``results`` of some items in a row, at last ``done``, with what the manifest part comes to that
was written; ``environment`` if this machine is at fault, ``damaged`` if the output directory is,
``broken`` if shardmill is."""
SILENCE_S: Final = 0.05
"""For how long finished items may go unsaid: a message for each would cost as much as probing."""


def serve(
    pipe: "Connection[Message, Work]",
    decoded: c_uint64,
    finished: c_uint64,
    *,
    finish: Callable[[FinishWork], None],
) -> None:
    """Do what comes through the pipe until its other end is closed.

    Args:
        pipe: Work comes in, answers go out.
        decoded: Shared counter of decoded frames: a sign of life within one item.
        finished: Shared counter of finished items of the work at hand: who watches knows the
            guilty item when the process dies, even if answers were still unsaid.
        finish: Writes the results of a job.
    """
    _die_with_the_worker()
    _fall_silent()
    cv2.setNumThreads(1)

    def advance() -> None:
        decoded.value += 1

    while True:
        try:
            work = pipe.recv()
        except EOFError:
            return
        try:
            if isinstance(work, FinishWork):
                finish(work)
                pipe.send(("done", None))
                continue
            are_told = isinstance(work, ProbeWork) and work.writes is None
            answers = _Answers(work, advance)
            for results in _groups(answers, finished):
                if are_told:
                    pipe.send(("results", results))
            pipe.send(("done", answers.tally))
        except EnvironmentFault as fault:
            pipe.send(("environment", str(fault)))
        except DatasetDamaged as damage:
            pipe.send(("damaged", str(damage)))
        except Exception as error:  # noqa: BLE001 - the one boundary: a bug becomes a failed row
            pipe.send(("broken", printable(f"{type(error).__name__}: {error}")))
            sys.exit(1)


class _Answers:
    """The answers to a piece of work, and what the rows come to that were written in the end."""

    def __init__(self, work: ProbeWork | ExtractWork, advance: Advance) -> None:
        self._answers: Answers = (
            extract_batch(work, advance)
            if isinstance(work, ExtractWork)
            else probe_batch(work, advance)
        )
        self.tally: Tally | None = None

    def __iter__(self) -> Iterator[Answer]:
        self.tally = yield from self._answers


def _groups(results: Iterable[Answer], finished: c_uint64) -> Iterator[list[Answer]]:
    """Yield answers together that come fast, one after the other those that come slowly."""
    group: list[Answer] = []
    said_s = time.monotonic()
    for result in results:
        finished.value += 1
        group.append(result)
        if time.monotonic() - said_s >= SILENCE_S:
            yield group
            group, said_s = [], time.monotonic()
    if group:
        yield group


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
