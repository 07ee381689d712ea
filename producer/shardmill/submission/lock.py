"""One producer an output directory at a time, and who it is.

The kernel's lock on ``OUT/.lock`` decides on one machine, and on several where their file system
passes locks on.  Where it does not, the file's text does: its holder counts up in it, and who
finds another machine's count waits to see whether it still goes up.  What two machines that begin
within the same second do on such a file system is not promised.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from stat import S_ISREG
from typing import Final, Self

from msgspec import Struct

from shardmill.contract.errors import EnvironmentFault, OutputConflict
from shardmill.contract.layout import Layout

TRIES: Final = 5
PAUSE_S: Final = 0.1
BEAT_S: Final = 2.0
"""How often a holder counts up."""
SILENCE_S: Final = 7.0
"""A holder elsewhere that has not counted up for so long is gone: three beats and a little."""
LONGEST: Final = 4096
"""Bytes of the file that are read."""


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds an output directory, or held it last; what a stranger may have written."""

    host: str
    """Its machine."""
    pid: int
    """Its process there."""
    redis_url: str
    """Where its job's ledger is, without password."""
    beat: int = 0
    """Goes up while it lives."""
    released: bool = False
    """True once it has let go in order."""

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """Return who wrote the file; None if it is not there, not of this user, or not ours."""
        try:
            descriptor = os.open(layout.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            return cls._decode(os.read(descriptor, LONGEST))
        finally:
            os.close(descriptor)

    @classmethod
    def _decode(cls, text: bytes) -> Self | None:
        try:
            holder = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        sound = isinstance(holder.host, str) and isinstance(holder.redis_url, str)
        return holder if sound and type(holder.pid) is int else None

    @property
    def is_here(self) -> bool:
        """True if it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class OutputLock:
    """Holds ``OUT/.lock`` until closed; the kernel lets go if the process dies.

    Args:
        layout: The output directory.
        redis_url: Where the job's ledger is, without password; told to who asks for the holder.
        admit: Is given who held it before; raises to leave the file as it is.

    Raises:
        OutputConflict: Another process holds it.
        EnvironmentFault: The directory cannot be written.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        redis_url: str = "",
        admit: Callable[[Holder | None], None] | None = None,
    ) -> None:
        self._layout = layout
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(layout.lock, flags, 0o644)
        except OSError as error:
            raise EnvironmentFault(f"cannot write in {layout.out}: {error.strerror}") from error
        self._text = {"host": socket.gethostname(), "pid": os.getpid(), "redis_url": redis_url}
        try:
            before = self._take()
            if admit is not None:
                admit(before)
            self._write(beat=0)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._beating.start()

    def _take(self) -> Holder | None:
        """Take the lock; return who held it before."""
        for _ in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PAUSE_S)  # `shardmill status` holds it for an instant
            else:
                break
        else:
            raise self._conflict(Holder.read(self._layout))
        before = Holder.read(self._layout)
        if before is not None and not before.released and not before.is_here:
            self._await_silence(before)
        return before

    def _await_silence(self, before: Holder) -> None:
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            if Holder.read(self._layout) != before:  # opened anew: NFS then looks at its server
                raise self._conflict(before)
            time.sleep(PAUSE_S)

    def _conflict(self, holder: Holder | None) -> OutputConflict:
        who = f" ({holder})" if holder is not None and not holder.released else ""
        return OutputConflict(
            f"{self._layout.out} is being written by another shardmill{who}: wait for it, or "
            "give another --out"
        )

    def _write(self, *, beat: int, released: bool = False) -> None:
        text = json.dumps(self._text | {"beat": beat, "released": released}).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def _beat(self) -> None:
        beat = 0
        while not self._ended.wait(BEAT_S):
            beat += 1
            with suppress(OSError):  # a full disk: the kernel's lock still holds
                self._write(beat=beat)

    def close(self) -> None:
        """Let go."""
        if self._descriptor < 0:
            return
        self._ended.set()
        self._beating.join()
        with suppress(OSError):  # else who comes next on another machine waits for a silence
            self._write(beat=0, released=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
