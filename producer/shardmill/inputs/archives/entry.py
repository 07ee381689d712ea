"""What an archive's list tells, whatever its format."""

from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr

from shardmill.contract.location.archive import Obstacle, Pread


class BadArchive(Exception):
    """The list is damaged or cut off: there is no telling what else it would name."""


_MOST_BYTES: Final = 2**53
"""Of a member or an archive: eight petabytes, more than any file system holds in one file."""


class Entry(Struct, frozen=True):
    """A file, or a link, in an archive."""

    name: str
    """As it stands there; undecodable bytes as surrogates."""
    size_bytes: int
    offset: int
    """In the file, as ``Item.archive_offset``."""
    packed_bytes: int | None = None
    obstacle: Obstacle | None = None

    def __post_init__(self) -> None:
        """Take an entry whose numbers are impossible for a damaged one."""
        numbers = (self.size_bytes, self.offset, self.packed_bytes or 0)
        if not all(0 <= number <= _MOST_BYTES for number in numbers):
            force_setattr(self, "obstacle", "damaged")


class Stretch(Struct, frozen=True):
    """An archive's bytes: a whole file, or a part of it where an archive lies in another."""

    pread: Pread
    """Reads the file."""
    start: int
    length: int

    def read(self, length: int, offset: int) -> bytes:
        """Return at most so many bytes from an offset in the stretch."""
        return self.pread(max(0, min(length, self.length - offset)), self.start + offset)

    def exactly(self, length: int, offset: int) -> bytes:
        """Return so many bytes from an offset in the stretch.

        Raises:
            BadArchive: It has not so many there.
        """
        if offset < 0 or len(data := self.read(length, offset)) < length:
            raise BadArchive
        return data
