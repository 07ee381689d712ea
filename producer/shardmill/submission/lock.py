"""One producer an output directory at a time."""

import fcntl
import os
import time
from typing import Final, Self

from shardmill.contract.errors import EnvironmentFault, OutputConflict
from shardmill.contract.layout import Layout

TRIES: Final = 5
PAUSE_S: Final = 0.1


class OutputLock:
    """Holds ``OUT/.lock`` until closed; the kernel lets go if the process dies.

    Raises:
        OutputConflict: Another process holds it.
        EnvironmentFault: The directory cannot be written.
    """

    def __init__(self, layout: Layout) -> None:
        try:
            self._descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EnvironmentFault(f"cannot write in {layout.out}: {error.strerror}") from error
        for _ in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PAUSE_S)  # `shardmill status` holds it for an instant
            else:
                return
        os.close(self._descriptor)
        raise OutputConflict(
            f"{layout.out} is being written by another shardmill: wait for it, or "
            "give another --out"
        )

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
