"""A slot: one worker thread with one decoder child, which it watches and, if need be, kills.

The decoder may crash, hang, hold the interpreter lock or eat memory; the slot sees to it that
this costs the item at hand and nothing else.  It never raises for an item that was answered.
"""

import math
import multiprocessing.util
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from msgspec import Struct

from shardmill.contract.errors import (
    DatasetDamaged,
    DecoderCrash,
    EnvironmentFault,
    InternalError,
    ItemError,
    ItemMemory,
    ItemTimeout,
)
from shardmill.contract.location.confinement import confine
from shardmill.contract.quantity import format_bytes
from shardmill_worker.engine.gauges import Gauges, Shared
from shardmill_worker.execution import fork_server
from shardmill_worker.execution.in_decoder.work import PREPARE_S, StageResult, Work

MAX_ROWS: Final = 100_000
"""A decoder that has done so many rows is replaced: what libraries leak stays small."""
MAX_DESCRIPTORS: Final = 100
"""A decoder between two pieces of work has about a dozen."""
MAX_REST_BYTES: Final = 1 << 30
"""Resident memory of a decoder between two pieces of work; most need a tenth."""
TICK_S: Final = 0.1
"""How often a slot looks at its decoder."""
MAX_FALSE_STARTS: Final = 5
PAGE_BYTES: Final = 4096
KILL_WAIT_S: Final = 10
MAX_ADDED_S: Final = 3600.0
"""Frames that come in time may add so much to an item's time."""
Heartbeat = Callable[[Shared], Literal["held", "lost"]]
"""Renews the lease; takes the decoder's gauges, returns whether the work is still ours."""


class ShuttingDown(Exception):
    """The worker is ending: give the lease back, charge nothing."""


class LeaseLost(Exception):
    """Cancelled, or given to another worker: drop everything, commit nothing."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a piece of work may take, besides the time of each row, which its decoder notes."""

    rows: int
    """Rows of the work; what follows the last one needs no frames."""
    frame_s: float
    """Seconds that each decoded frame adds to a row's time, ``MAX_ADDED_S`` at most."""
    idle_s: float
    """Seconds without a newly decoded frame."""
    memory_bytes: int
    """Resident memory of the decoder."""

    def allowed_s(self, gauges: Shared, *, frames: int) -> float:
        """Return what the row at hand may take, ``frames`` of which are decoded."""
        added_s = 0.0 if gauges.finished >= self.rows else frames * self.frame_s
        return float(gauges.allowed_s) + min(MAX_ADDED_S, added_s)

    def allowed_idle_s(self, gauges: Shared) -> float:
        """Return for how long no frame need come; behind the last row none will."""
        return self.idle_s if gauges.finished < self.rows else math.inf


class Decoders:
    """All slots of a worker: one shutdown flag, one last resort.

    Args:
        roots: Directories in which the files that decoders open must lie; none means any.
    """

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self.stopping = threading.Event()
        self._roots = tuple(roots)
        self._context = fork_server.context()
        self._slots: list[Slot] = []
        self._local = threading.local()
        # Not atexit: multiprocessing's own exit hook would run first, send a SIGTERM that
        # decoders ignore, and wait for ever.
        multiprocessing.util.Finalize(None, self.kill_all, exitpriority=100)

    def slot(self) -> "Slot":
        """Return the slot of this thread."""
        if not hasattr(self._local, "slot"):
            self._local.slot = Slot(self._context, self.stopping, self._roots)
            self._slots.append(self._local.slot)
        slot: Slot = self._local.slot
        return slot

    def stop(self, *_: object, **__: object) -> None:
        """Tell every slot to end; safe in a signal handler."""
        self.stopping.set()

    def kill_all(self) -> None:
        """Kill every decoder without waiting for its slot."""
        for slot in self._slots:
            slot.kill_now()


class Slot:
    """One thread's decoder."""

    def __init__(self, context: Any, stopping: threading.Event, roots: tuple[str, ...]) -> None:
        self._context = context
        self._stopping = stopping
        self._roots = roots
        self._process: Any = None
        self._pipe: Connection[Work, Any] | None = None
        self._gauges: Any = None
        self._rows_done = 0

    @property
    def stopping(self) -> threading.Event:
        """Set once the worker is ending."""
        return self._stopping

    @property
    def decoded(self) -> int:
        """Number of frames that the decoder has decoded in its life."""
        return 0 if self._gauges is None else int(self._gauges.decoded)

    @property
    def finished(self) -> int:
        """Number of rows of the last work that were done; the next one is guilty of a failure."""
        return 0 if self._gauges is None else int(self._gauges.finished)

    def run(
        self, work: Work, *, limits: Limits, heartbeat: Heartbeat, heartbeat_every_s: float
    ) -> StageResult:
        """Have the decoder do a piece of work; return its result.

        Raises:
            DecoderCrash: The decoder died over the row behind ``finished``.
            ItemTimeout: It took too long over it.
            ItemMemory: It took too much memory over it.
            InternalError: shardmill itself failed over it.
            EnvironmentFault: This machine cannot do it now.
            DatasetDamaged: The output directory contradicts itself.
            ShuttingDown: The worker is ending.
            LeaseLost: The batch is no longer ours.
        """
        completed = False
        try:
            self._send(work)
            result = self._watch(limits, heartbeat, heartbeat_every_s)
            completed = True
        finally:
            if not completed:
                self.kill()
        return result

    def _watch(self, limits: Limits, heartbeat: Heartbeat, heartbeat_every_s: float) -> StageResult:
        gauges = self._gauges
        finished, seen = gauges.finished, gauges.decoded
        seen_before = seen
        row_began = frame_came = time.monotonic()
        next_heartbeat = row_began + heartbeat_every_s
        while True:
            message = self._message()
            if message is not None:
                self._rows_done += self.finished
                result: StageResult = message[1]
                return result
            now = time.monotonic()
            if gauges.finished != finished:
                finished = gauges.finished
                row_began = frame_came = now
                seen_before = gauges.decoded
            if self._stopping.is_set():
                raise ShuttingDown
            if now >= next_heartbeat:
                next_heartbeat = now + heartbeat_every_s
                if heartbeat(gauges) == "lost":
                    raise LeaseLost
            if gauges.decoded != seen:
                seen, frame_came = gauges.decoded, now
            self._judge(limits, now - row_began, now - frame_came, seen - seen_before)

    def _message(self) -> tuple[str, Any] | None:
        """Return what the decoder says next; None if it says nothing for a tick."""
        assert self._pipe is not None
        try:
            message: tuple[str, Any] | None = self._pipe.recv() if self._pipe.poll(TICK_S) else None
        except (EOFError, OSError):
            raise self._post_mortem() from None
        if message is not None and message[0] == "environment":
            raise EnvironmentFault(message[1])
        if message is not None and message[0] == "damaged":
            raise DatasetDamaged(message[1])
        if message is not None and message[0] == "broken":
            raise InternalError(message[1])
        return message

    def _judge(self, limits: Limits, row_s: float, idle_s: float, frames: int) -> None:
        """Raise if the row at hand takes too long or too much memory."""
        allowed_s = limits.allowed_s(self._gauges, frames=frames)
        if row_s > allowed_s:
            raise ItemTimeout(f"took longer than {allowed_s:.0f} s")
        if idle_s > limits.allowed_idle_s(self._gauges):
            raise ItemTimeout(f"gave no frame for {limits.idle_s:.0f} s")
        memory_bytes = self._memory_bytes()
        if memory_bytes > limits.memory_bytes:
            raise ItemMemory(
                f"needed more than {format_bytes(limits.memory_bytes)} of memory "
                f"({format_bytes(memory_bytes)} when stopped)"
            )

    def _memory_bytes(self) -> int:
        try:
            with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return 0  # just gone: the pipe will tell

    def _send(self, work: Work) -> None:
        last = ""
        for false_starts in range(MAX_FALSE_STARTS):
            if self._stopping.is_set():
                raise ShuttingDown
            try:
                if self._process is not None and self._is_worn():
                    self.kill()
                if self._process is None:
                    self._start()
                assert self._pipe is not None
                self._gauges.finished = 0
                self._gauges.allowed_s = PREPARE_S
                self._pipe.send(work)
            except (OSError, EOFError) as error:  # died while idle, or the fork server did
                last = f"{type(error).__name__}: {error}"
                self.kill()
                self._stopping.wait(0.05 * false_starts)
            else:
                return
        raise EnvironmentFault(f"no decoder process can be started on this machine ({last})")

    def _is_worn(self) -> bool:
        """Tell whether the decoder, at rest, holds what files should have given back, or is old."""
        try:
            descriptors = len(os.listdir(f"/proc/{self._process.pid}/fd"))
        except OSError:
            descriptors = 0  # no Linux, or just gone
        return (
            self._rows_done >= MAX_ROWS
            or descriptors > MAX_DESCRIPTORS
            or self._memory_bytes() > MAX_REST_BYTES
        )

    def _start(self) -> None:
        self._rows_done = 0
        self._pipe, theirs = self._context.Pipe()
        self._gauges = self._context.RawValue(Shared)
        process = self._context.Process(
            target=_serve, args=(theirs, self._gauges, self._roots), daemon=True
        )
        try:
            process.start()
        finally:
            theirs.close()  # so that our end sees the child's death
        self._process = process

    def _post_mortem(self) -> ItemError:
        code = self.kill()
        if code is not None and code < 0:
            return DecoderCrash(f"the decoder was ended by {signal.Signals(-code).name}")
        return DecoderCrash(f"the decoder ended itself with exit code {code}")

    def kill(self) -> int | None:
        """End the decoder, if there is one; return its exit code."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        if process.exitcode is None:
            process.join(TICK_S)  # a decoder that is ending by itself keeps its own exit code
        if process.exitcode is None:
            process.kill()
        process.join(KILL_WAIT_S)
        code: int | None = process.exitcode
        if code is not None:
            process.close()
        return code

    def kill_now(self) -> None:
        """Kill the decoder and do not wait; for the end of the worker."""
        process = self._process
        if process is not None:
            try:
                process.kill()
            except ValueError:  # its own thread has just closed it
                return


def _serve(pipe: Any, gauges: Any, roots: tuple[str, ...]) -> None:
    """Run in the child: only there is media code imported."""
    confine(roots)
    from shardmill_worker.engine.decoder import serve
    from shardmill_worker.execution.in_decoder.dispatch import Stages

    serve(pipe, Gauges(gauges), Stages().do)
