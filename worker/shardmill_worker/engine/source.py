"""The bytes of a file, as the readers of headers want them."""

import struct
from collections.abc import Callable
from typing import Any, Final

_WINDOW_BYTES: Final = 2048
"""Holds the header of most pictures; what is read is seldom near, so twice as much costs twice."""


class OnlyLibav(Exception):
    """A header leaves open what libav makes of the picture."""


class EndOfBytes(OnlyLibav):
    """A file ends before what was to be read of it."""


def bytes_at(head: bytes, start: int, length: int, pread: Callable[[int, int], bytes]) -> bytes:
    """Return at most so many bytes of a file, without reading what is known.

    Args:
        head: First bytes of the file.
        start: Where the bytes begin.
        length: How many there are to be.
        pread: Returns at most so many bytes from an offset.
    """
    end = start + length
    return head[start:end] if end <= len(head) else pread(length, start)


class Source:
    """A file's bytes, a few kilobytes at a time.

    Args:
        pread: Returns at most so many bytes from an offset: ``os.pread`` of an open file.
        size_bytes: Size of the file.
    """

    def __init__(self, pread: Callable[[int, int], bytes], size_bytes: int) -> None:
        self.size_bytes: Final = size_bytes
        self.pread = pread
        self._window = b""
        self._start = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes.

        Raises:
            EndOfBytes: The file has not so many.
        """
        begin = offset - self._start
        if not 0 <= begin <= begin + length <= len(self._window):
            begin = self._move(offset, length)
        return self._window[begin : begin + length]

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """Return the fields of a ``struct`` layout.

        Raises:
            EndOfBytes: The file ends before they do.
        """
        begin = offset - self._start
        length = struct.calcsize(layout)
        if not 0 <= begin <= begin + length <= len(self._window):
            begin = self._move(offset, length)
        return struct.unpack_from(layout, self._window, begin)

    def _move(self, offset: int, length: int) -> int:
        """Move the window to where some bytes begin, and return where in it that is."""
        if min(offset, length) < 0 or offset + length > self.size_bytes:
            raise EndOfBytes
        self._window = self.pread(max(length, _WINDOW_BYTES), offset)
        self._start = offset
        if len(self._window) < length:
            raise EndOfBytes
        return 0
