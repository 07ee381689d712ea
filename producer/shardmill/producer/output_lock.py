"""One producer an output directory at a time; see ``contract.holder`` for how others see it.

What two machines that begin within the same second do, on a file system that passes no locks on,
is not promised.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from shardmill.contract.errors import EnvironmentFault, OutputConflict
from shardmill.dataset.holder import BEAT_S, PAUSE_S, Holder, lock
from shardmill.dataset.layout import Layout

TRIES: Final = 5


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
                is_sure = lock(self._descriptor, fcntl.LOCK_EX)
            except BlockingIOError:
                time.sleep(PAUSE_S)  # `shardmill status` holds it for an instant
            else:
                break
        else:
            raise self._conflict(Holder.read(self._layout))
        before = Holder.read(self._layout)
        if before is None or before.released or (is_sure and before.is_here):
            return before
        if before.is_alive(self._layout):
            raise self._conflict(before)
        return before

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
