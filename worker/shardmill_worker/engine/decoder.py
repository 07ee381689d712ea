"""The decoder child: takes work from a pipe, does it, streams one answer an item.

All native media code runs here and nowhere else.  The answers come in the order of the items, so
whoever watches knows the guilty item when the process dies: it is the first without an answer.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from ctypes import c_uint64
from dataclasses import replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Final, Literal

import cv2

from shardmill.contract.errors import EnvironmentFault, ItemError, Skip
from shardmill.contract.manifest import Item, Outcome
from shardmill.contract.quantity import printable
from shardmill_worker.engine.count import count_frames, count_packets
from shardmill_worker.engine.division import items_of
from shardmill_worker.engine.extract import extract_batch
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.work import Advance, Answer, Divided, ExtractWork, ProbeWork

PR_SET_PDEATHSIG: Final = 1

Message = tuple[Literal["result"], Answer] | tuple[Literal["done", "environment", "broken"], str]
"""``result`` for each item, then ``done``; ``environment`` if this machine is at fault,
``broken`` if shardmill is."""


def serve(pipe: "Connection[Message, ProbeWork | ExtractWork]", decoded: c_uint64) -> None:
    """Do what comes through the pipe until its other end is closed.

    Args:
        pipe: Work comes in, answers go out.
        decoded: Shared counter of decoded frames: a sign of life within one item.
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
            for result in _results(work, advance):
                pipe.send(("result", result))
            pipe.send(("done", ""))
        except EnvironmentFault as fault:
            pipe.send(("environment", str(fault)))
        except Exception as error:  # noqa: BLE001 - the one boundary: a bug becomes a failed row
            pipe.send(("broken", printable(f"{type(error).__name__}: {error}")))
            sys.exit(1)


def _results(work: ProbeWork | ExtractWork, advance: Advance) -> Iterator[Answer]:
    if isinstance(work, ExtractWork):
        return extract_batch(work, advance)
    return _probe_all(work, advance)


def _probe_all(work: ProbeWork, advance: Advance) -> Iterator[Answer]:
    """Yield what each item is; of several clips of one file only the first is looked at."""
    path, answer = None, None
    for item in work.items:
        if answer is None or item.path != path:
            path, answer = item.path, _probe(work, item, advance)
        yield answer


def _probe(work: ProbeWork, item: Item, advance: Advance) -> Answer:
    try:
        base = work.roots.base_of(item.path)
        facts = probe_item(base, item)
        if work.depth != "header":
            count = count_packets if work.depth == "count" else count_frames
            facts = replace(facts, frames_counted=count(base, item, advance))
        if work.spec is None:
            return facts
        items = items_of(base, item, facts, work.spec, advance)
        return facts if items == (item,) else Divided(facts, items)
    except Skip as reason:
        return Outcome(status="skipped", error_stage="probe", error_message=str(reason))
    except ItemError as error:
        return Outcome.of_error(error, stage="probe")


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
