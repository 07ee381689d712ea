"""Opening an input file by its place below the input directory: the one that was planned."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from msgspec import Struct

from shardmill.contract.errors import (
    ChangedInput,
    Empty,
    EnvironmentFault,
    Forbidden,
    Unreadable,
    Unsupported,
    is_of_machine,
)
from shardmill.contract.location.archive import Extent, Pread, contents, extent_of
from shardmill.contract.location.confinement import open_input
from shardmill.contract.quantity import TIMES_OF_CHANGE_NS, printable
from shardmill.contract.schema import Item
from shardmill_worker.engine.faults import machine_fault, missing_root


class InputFile(Struct, frozen=True):
    """An input's bytes, wherever they lie."""

    size_bytes: int
    pread: Pread
    """Returns at most so many bytes from an offset."""


@contextmanager
def open_item(root: str, item: Item) -> Iterator[InputFile]:
    """Open an item of an input directory.

    Raises:
        ItemError: The file cannot be opened, is empty, or changed since the job was written.
        EnvironmentFault: The input directory is missing, or this machine cannot read now.
    """
    reading = _Reading(_open(root, item))
    try:
        found = _check_unchanged(reading, item)
        if item.member is None:
            yield InputFile(item.size_bytes, reading.pread)
        else:
            extent = extent_of(reading.pread, found.st_size, item.member, item.size_bytes)
            if item.size_bytes == 0:
                raise Empty("The file has no bytes.")
            with _member(reading.pread, extent) as file:
                yield file
        _check_unchanged(reading, item)
    finally:
        os.close(reading.descriptor)
        if reading.fault is not None:  # whatever was concluded from it
            raise machine_fault(item.path, reading.fault) from reading.fault


class _Reading:
    """An open file that remembers an error of its machine: libav may go on as if it had ended."""

    __slots__ = ("descriptor", "fault")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.fault: OSError | None = None

    def pread(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self.descriptor, length, offset)
        except OSError as error:
            # An impossible offset comes from a header that lies.
            if error.errno != errno.EINVAL and is_of_machine(error):
                self.fault = error
            raise

    def stat(self) -> os.stat_result:
        try:
            return os.fstat(self.descriptor)
        except OSError as error:
            self.fault = error
            raise


@contextmanager
def _member(pread: Pread, extent: Extent) -> Iterator[InputFile]:
    """Open a file in an archive: where it lies, or unpacked where no name leads to it."""
    if not extent.is_deflated:
        yield InputFile(extent.size_bytes, partial(_within, pread, extent))
        return
    with _temporary_file() as unpacked:
        for piece in contents(pread, extent):
            _write(unpacked, piece)
        yield InputFile(extent.size_bytes, partial(os.pread, unpacked.fileno()))


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="shardmill-", buffering=0)
    except OSError as error:
        raise _no_room(error) from error


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> EnvironmentFault:
    return EnvironmentFault(
        f"cannot unpack a file of an archive in {tempfile.gettempdir()}: {error.strerror}; "
        "make room there, or name another directory in TMPDIR, then resume the job"
    )


def _within(pread: Pread, extent: Extent, length: int, offset: int) -> bytes:
    if offset < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return pread(max(0, min(length, extent.length - offset)), extent.offset + offset)


class NamelessFile:
    """A file as libav sees it: bytes to read and seek in, and a name that says nothing."""

    def __init__(self, file: InputFile, name: str = "") -> None:
        self.name = name
        self._file = file
        self._position = 0

    def read(self, length: int) -> bytes:
        """Return what follows, at most so many bytes."""
        data = self._file.pread(length, self._position)
        self._position += len(data)
        return data

    def tell(self) -> int:
        """Return the place of what follows."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as ``lseek`` does; libav is to judge of places before the file itself."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size_bytes}
        if not 0 <= start[whence] + offset < 2**63:
            return -errno.EINVAL
        self._position = start[whence] + offset
        return self._position


def refuse_outside(path: str) -> None:
    """Raise for a path that does not lie below the input directory.

    Raises:
        Forbidden: That is so.
    """
    if path.startswith("/") or "/../" in f"/{path}/":
        raise Forbidden(f"The path {printable(path)} leads out of the input directory.")


def _open(root: str, item: Item) -> int:
    path = item.archive or item.path
    refuse_outside(path)
    try:
        return open_input(os.path.join(root, path))
    except Forbidden:
        raise
    except (OSError, ValueError) as error:
        fault = missing_root(root)
        if fault is not None:
            raise fault from error
        if isinstance(error, OSError) and is_of_machine(error):
            raise machine_fault(path, error) from error
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"The file cannot be opened: {reason}.") from error


def _check_unchanged(reading: _Reading, item: Item) -> os.stat_result:
    found = reading.stat()
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(
            "Expected a file, found a folder: it could not be listed when the inputs were "
            "gathered, or took a file's place; run the same command again."
        )
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("Expected a regular file, found a pipe or a device.")
    if found.st_mtime_ns not in TIMES_OF_CHANGE_NS:
        raise Unsupported(
            "Its time of change lies outside the years 1677 to 2262, so changes would not be seen: "
            "touch the file, then run the same command again."
        )
    size_bytes = found.st_size if item.archive is not None else item.size_bytes
    if (found.st_size, found.st_mtime_ns) != (size_bytes, item.mtime_ns):
        raise ChangedInput(
            f"Expected {size_bytes} bytes of {item.mtime_ns} ns, as when the job was "
            f"written, found {found.st_size} bytes of {found.st_mtime_ns} ns."
        )
    if found.st_size == 0:
        raise Empty("The file has no bytes.")
    return found
