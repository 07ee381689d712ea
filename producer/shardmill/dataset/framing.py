"""The bytes of a shard that belong to no frame: headers, padding, tables, as its format needs.

A clip's row in the index has a checksum of the clip's frames.  All other bytes of the file are
under this one, so not a byte of a shard, in any format, is without a checksum.
"""

import errno
import os
from collections.abc import Iterable
from typing import Final

import google_crc32c
from msgspec import Struct

_CHUNK_BYTES: Final = 1 << 22


class Framing(Struct, frozen=True, kw_only=True):
    """A shard apart from its frames."""

    shard_bytes: int
    """Size of the whole file."""
    crc32c: int
    """CRC-32C of the bytes that belong to no frame, in the order of the file."""

    @classmethod
    def measure(cls, fd: int, frames: Iterable[tuple[int, int]]) -> "Framing":
        """Read a shard.

        Args:
            fd: The file.
            frames: First byte and end (exclusive) of each frame, in the order of the file.

        Raises:
            OSError: The file cannot be read, or ends before its last frame.
        """
        size, crc, position = os.fstat(fd).st_size, 0, 0
        for start, stop in frames:
            crc = crc_of_range(fd, position, start, crc=crc)
            position = stop
        return cls(shard_bytes=size, crc32c=crc_of_range(fd, position, size, crc=crc))


def crc_of_range(fd: int, start: int, stop: int, *, crc: int) -> int:
    """Return ``crc`` extended by the bytes ``[start, stop)`` of a file, a chunk at a time.

    Raises:
        OSError: The file cannot be read, or ends before ``stop``.
    """
    for position in range(start, stop, _CHUNK_BYTES):
        crc = google_crc32c.extend(
            crc, read_range(fd, position, min(position + _CHUNK_BYTES, stop))
        )
    return crc


def read_range(fd: int, start: int, stop: int) -> bytes:
    """Return the bytes ``[start, stop)`` of a file.

    Raises:
        OSError: The file cannot be read, or ends before ``stop``.
    """
    data = os.pread(fd, stop - start, start)
    if len(data) < stop - start:
        raise OSError(errno.EIO, f"got {len(data)} of {stop - start} bytes at byte {start}")
    return data
