"""What lies in a tar, by its headers alone; the standard library reads them."""

import os
import tarfile
from collections.abc import Iterator
from typing import Final

from shardmill.contract.location.archive import Obstacle
from shardmill.inputs.archives.entry import BadArchive, Entry, Stretch

HEADERS_BYTES: Final = 1 << 20
"""The most that the headers of one member may take: names and attributes, no media."""
_BROKEN: Final = (
    *(tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError),
    *(KeyError, IndexError, OSError),
)
"""What the standard library raises over broken headers."""


def entries_of_tar(stretch: Stretch) -> Iterator[Entry]:
    """Yield the files and links of a tar, in its order.

    Raises:
        BadArchive: It is none, is damaged, or does not end as tars do.
    """
    file = _Headers(stretch)
    try:
        with tarfile.TarFile(fileobj=file, errors="surrogateescape") as tar:  # type: ignore[arg-type]
            for member in _members(tar, file):
                if member.isreg() or member.issym() or member.islnk():
                    yield _entry(member, stretch)
            end = tar.offset
    except _BROKEN as error:
        if file.fault is not None:
            raise file.fault from error
        raise BadArchive from error
    if any(stretch.exactly(tarfile.BLOCKSIZE, end)):
        raise BadArchive  # a header that the library took for the end


def _members(tar: tarfile.TarFile, file: "_Headers") -> Iterator[tarfile.TarInfo]:
    before = -1
    while (member := tar.next()) is not None:
        if not (tar.offset > before and member.size >= 0):
            raise BadArchive  # sizes below zero would lead back and round for ever
        yield member
        before = tar.offset
        tar.members.clear()  # type: ignore[attr-defined]  # or it would remember them all
        file.allowance = HEADERS_BYTES


def _entry(member: tarfile.TarInfo, stretch: Stretch) -> Entry:
    obstacle: Obstacle | None = None
    if not member.isreg():
        obstacle = "link"
    elif member.issparse():
        obstacle = "sparse"
    return Entry(member.name, member.size, stretch.start + member.offset_data, obstacle=obstacle)


class _Headers:
    """A stretch as the standard library reads it: a file, but no more than headers take."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch
        self._position = 0
        self.allowance = HEADERS_BYTES
        self.fault: OSError | None = None
        """Of the drive; the library takes it for a broken header."""

    def read(self, length: int) -> bytes:
        """Return what follows."""
        if length > self.allowance:
            raise tarfile.ReadError("headers of such a size are no headers")
        self.allowance -= length
        try:
            data = self._stretch.read(length, self._position)
        except OSError as error:
            self.fault = error
            raise
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset."""
        assert whence == os.SEEK_SET
        if offset < 0:
            raise ValueError("an offset below zero")
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the offset."""
        return self._position
