"""Who holds an output directory, by its file ``OUT/.lock``.

The kernel's lock on the file decides on one machine, and on several where their file system
passes locks on.  Where it does not, or has no locks, the file's text decides: its holder counts
up in it, and whoever finds a count waits to see whether it still goes up.
"""

import fcntl
import json
import os
import socket
import time
from errno import ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP
from stat import S_ISREG
from typing import Final, Self

from msgspec import Struct

from shardmill.dataset.layout import Layout
from shardmill.storage.files import open_to_read

BEAT_S: Final = 2.0
"""How often a holder counts up."""
SILENCE_S: Final = 7.0
"""A holder that has not counted up for so long is gone: three beats and a little."""
PAUSE_S: Final = 0.1
LONGEST: Final = 4096
"""Bytes of the file that are read."""
_NO_LOCKS: Final = frozenset({ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP})
"""What flock(2) answers on a file system without locks: Lustre without ``-o flock``, some FUSE."""


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

    def is_alive(self, layout: Layout) -> bool:
        """Wait until the holder counts up, or has been silent for too long."""
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            if self.read(layout) != self:  # opened anew: NFS then looks at its server
                return True
            time.sleep(PAUSE_S)
        return False


def lock(descriptor: int, operation: int) -> bool:
    """Do what flock(2) does, without waiting; False where the file system has no locks.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: It cannot be had for another reason.
    """
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def is_locked(layout: Layout) -> bool:
    """Return True while a producer holds the output directory.

    The probe takes a shared lock for an instant, so a producer that finds the lock taken
    must try more than once.

    Raises:
        DatasetDamaged: ``.lock`` is no plain file.
    """
    try:
        with os.fdopen(open_to_read(layout.lock), "rb") as file:
            if lock(file.fileno(), fcntl.LOCK_SH):
                return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    holder = Holder.read(layout)
    return holder is not None and not holder.released and holder.is_alive(layout)
