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
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

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
from shardmill.dataset.tally import Tally
from shardmill_worker.engine.work import Answer, ProbeWork, Work
from shardmill_worker.execution import fork_server

MAX_ITEMS: Final = 100_000
"""A decoder that has done so many is replaced: what libraries leak stays small."""
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
FINISH_S: Final = 600.0
"""For putting a shard in place, after the last item: a slow disk is no file's fault."""

Beat = Callable[[int], Literal["held", "lost"]]
"""Renews the lease; takes the frames decoded so far, tells whether the work is still ours."""


class ShuttingDown(Exception):
    """The worker is ending: give the lease back, charge nothing."""


class LeaseLost(Exception):
    """Cancelled, or given to another worker: drop everything, commit nothing."""


class Limits(Struct, frozen=True, kw_only=True):
    """What one item may take."""

    item_s: Sequence[float]
    """Wall-clock seconds, one an item."""
    frame_s: float
    """Seconds that each decoded frame adds to that, ``MAX_ADDED_S`` at most."""
    idle_s: float
    """Seconds without a newly decoded frame."""
    memory_bytes: int
    """Resident memory of the decoder."""

    def allowed_s(self, position: int, *, frames: int) -> float:
        """Return what an item may take, or, behind the last one, putting the shard in place.

        Args:
            position: Of the item.
            frames: What was decoded of it so far.
        """
        if position == len(self.item_s):
            return max(FINISH_S, *self.item_s)
        return self.item_s[position] + min(MAX_ADDED_S, frames * self.frame_s)

    def allowed_idle_s(self, position: int) -> float:
        """Return for how long no frame need come; behind the last item none will."""
        return self.idle_s if position < len(self.item_s) else math.inf


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
        self._decoded: Any = None
        self._finished: Any = None
        self._items_done = 0
        self.tally: Tally | None = None
        """What the manifest part comes to that the decoder wrote last."""

    @property
    def finished(self) -> int:
        """How many items of the last work were done; of one that failed, the next is to blame."""
        return 0 if self._finished is None else int(self._finished.value)

    def stream(
        self, work: Work, *, limits: Limits, beat: Beat, beat_every_s: float
    ) -> Iterator[Answer]:
        """Yield the decoder's answer to each item, in order; none where it writes them itself.

        Raises:
            DecoderCrash: The decoder died over the first item without an answer.
            ItemTimeout: It took too long over it.
            ItemMemory: It took too much memory over it.
            InternalError: shardmill itself failed over it.
            EnvironmentFault: This machine cannot do it now.
            DatasetDamaged: The output directory contradicts itself.
            ShuttingDown: The worker is ending.
            LeaseLost: The batch is no longer ours.
        """
        answered = 0
        try:
            for answer in self._answers(work, limits, beat, beat_every_s):
                answered += 1
                yield answer
        except ItemError as error:
            fault = error
        else:
            return
        unsaid = self.finished - answered
        if unsaid > 0 and isinstance(work, ProbeWork) and work.writes is None:
            again = work.part(answered, answered + unsaid)  # they went well before the guilty one
            rest = replace(limits, item_s=limits.item_s[answered:])
            yield from self.stream(again, limits=rest, beat=beat, beat_every_s=beat_every_s)
        raise fault

    def _answers(
        self, work: Work, limits: Limits, beat: Beat, beat_every_s: float
    ) -> Iterator[Answer]:
        """Yield the answers as they come; some that are due may not come when a decoder dies."""
        completed = False
        try:
            self._send(work)
            yield from self._watch(limits, beat, beat_every_s)
            completed = True
        finally:
            if not completed:
                self.kill()

    def _watch(self, limits: Limits, beat: Beat, beat_every_s: float) -> Iterator[Answer]:
        finished, first = 0, self._decoded.value
        seen = seen_before = first
        now = item_began = frame_came = time.monotonic()
        next_beat = next_look = now
        next_beat += beat_every_s
        while True:
            message = self._message()
            if message is not None:
                kind, content = message
                if kind == "done":
                    self.tally = content
                    self._items_done += self.finished
                    return
                yield from content
            now = time.monotonic()
            if now < next_look:
                continue  # a fast stream pays for a look once a tick, not once an item
            next_look = now + TICK_S
            if self.finished != finished:
                finished = self.finished
                item_began = frame_came = now
                seen_before = self._decoded.value
            if self._stopping.is_set():
                raise ShuttingDown
            if now >= next_beat:
                next_beat = now + beat_every_s
                if beat(self._decoded.value - first) == "lost":
                    raise LeaseLost
            if self._decoded.value != seen:
                seen, frame_came = self._decoded.value, now
            self._judge(limits, finished, now - item_began, now - frame_came, seen - seen_before)

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

    def _judge(
        self, limits: Limits, finished: int, item_s: float, idle_s: float, frames: int
    ) -> None:
        allowed_s = limits.allowed_s(finished, frames=frames)
        if item_s > allowed_s:
            raise ItemTimeout(f"took longer than {allowed_s:.0f} s")
        if idle_s > limits.allowed_idle_s(finished):
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
                self._finished.value = 0
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
            self._items_done >= MAX_ITEMS
            or descriptors > MAX_DESCRIPTORS
            or self._memory_bytes() > MAX_REST_BYTES
        )

    def _start(self) -> None:
        self._items_done = 0
        self._pipe, theirs = self._context.Pipe()
        self._decoded = self._context.RawValue("Q", 0)
        self._finished = self._context.RawValue("Q", 0)
        counters = (self._decoded, self._finished)
        process = self._context.Process(
            target=_serve, args=(theirs, *counters, self._roots), daemon=True
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


def _serve(pipe: Any, decoded: Any, finished: Any, roots: tuple[str, ...]) -> None:
    """Run in the child: only there is media code imported."""
    confine(roots)
    from shardmill_worker.engine.decoder import serve
    from shardmill_worker.execution.results import write_results

    serve(pipe, decoded, finished, finish=write_results)
