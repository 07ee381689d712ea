"""Opening an input file by its place below the input directory: the one that was planned."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from shardmill.contract.errors import ChangedInput, Empty, Forbidden, Unreadable
from shardmill.contract.manifest import Item
from shardmill.contract.quantity import printable
from shardmill_worker.engine.faults import missing_root


@contextmanager
def open_item(root: str, item: Item) -> Iterator[int]:
    """Open an item of an input directory and yield its descriptor.

    Raises:
        ItemError: The file cannot be opened, is empty, or changed since the job was written.
        EnvironmentFault: The input directory itself is missing.
    """
    descriptor = _open(root, item)
    try:
        _check_unchanged(descriptor, item)
        yield descriptor
        _check_unchanged(descriptor, item)
    finally:
        os.close(descriptor)


class NamelessFile:
    """A file as libav sees it: bytes to read and seek in, and a name that says nothing."""

    def __init__(self, descriptor: int, name: str = "") -> None:
        self.name = name
        self._file = os.fdopen(descriptor, "rb", buffering=0, closefd=False)
        self.read = self._file.read
        self.tell = self._file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as ``lseek`` does; libav is to judge of places before the file itself."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return -errno.EINVAL
            raise


def _open(root: str, item: Item) -> int:
    if item.path.startswith("/") or ".." in item.path.split("/"):
        raise Forbidden(f"The path {printable(item.path)} leads out of the input directory.")
    try:
        # A named pipe would block an open for ever.
        return os.open(os.path.join(root, item.path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        fault = missing_root(root)
        if fault is not None:
            raise fault from error
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"The file cannot be opened: {reason}.") from error


def _check_unchanged(descriptor: int, item: Item) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("Expected a regular file, found a directory, pipe or device.")
    if (found.st_size, found.st_mtime_ns) != (item.size_bytes, item.mtime_ns):
        raise ChangedInput(
            f"Expected {item.size_bytes} bytes of {item.mtime_ns} ns, as when the job was "
            f"written, found {found.st_size} bytes of {found.st_mtime_ns} ns."
        )
    if found.st_size == 0:
        raise Empty("The file has no bytes.")
