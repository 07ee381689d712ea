"""The bytes of an annotation file: decompressed, without a byte order mark, in bounded lines."""

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from shardmill.contract.errors import EnvironmentFault, InvalidAnnotations

LIMIT: Final = 1 << 20
"""The longest line, record or JSON element, bytes or characters.  Longer ones are left out."""
GZIP: Final = b"\x1f\x8b"
UTF8_MARK: Final = b"\xef\xbb\xbf"
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class Stream(AbstractContextManager["Stream"]):
    """Reads a file, a pipe or what gzip made of one, from its start to its end, once.

    Raises:
        InvalidAnnotations: The file cannot be opened, or is UTF-16.
        EnvironmentFault: Reading fails on the way.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: str | None = None
        """Why the end was reached too early; None if it was not, or not yet."""
        self.line = 1
        """The line that the next byte belongs to."""
        try:
            plain = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        except (OSError, ValueError) as error:
            raise InvalidAnnotations(
                f"expected a file of annotations at {path!r}, but it cannot be read "
                f"({getattr(error, 'strerror', None) or error}): check its name and permissions"
            ) from error
        self._closing: list[io.IOBase] = [plain]
        self._file: io.BufferedReader | gzip.GzipFile = plain
        try:
            self._unwrap(plain)
        except BaseException:
            self.close()
            raise

    def _unwrap(self, plain: io.BufferedReader) -> None:
        if self._peek(2) == GZIP:
            self._file = gzip.GzipFile(fileobj=plain)
            self._closing.insert(0, self._file)
        if self._peek(2) in UTF16_MARKS:
            raise InvalidAnnotations(
                f"expected UTF-8 in {self.path!r}, got UTF-16: convert it, "
                "as with iconv -f UTF-16 -t UTF-8"
            )
        if self._peek(3) == UTF8_MARK:
            self.read(3)

    def _peek(self, size: int) -> bytes:
        return self._guarded(self._file.peek, size)[:size]

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end or at damage."""
        return self._counted(self._guarded(self._file.read, size))

    def readline(self, size: int) -> bytes:
        """Return a line with its end, cut off at ``size`` bytes; empty at the end or at damage."""
        return self._counted(self._guarded(self._file.readline, size))

    def _counted(self, found: bytes) -> bytes:
        self.line += found.count(b"\n")
        return found

    def _guarded(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self.damage:
            return b""
        try:
            return read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = f"the compressed data is damaged or cut off here ({error})"
            return b""
        except OSError as error:
            raise EnvironmentFault(
                f"{self.path!r} cannot be read on: {os.strerror(error.errno or 0)}"
            ) from error

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """Yield each line's number, from 1, and its text with its end; None if it is too long.

        Bytes that are no UTF-8 become surrogates, as in file names.
        """
        number = 0
        while line := self.readline(LIMIT + 1):
            number += 1
            if len(line) > LIMIT and not line.endswith(b"\n"):
                while (rest := self.readline(LIMIT)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            else:
                yield number, line.decode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Close the file."""
        for file in self._closing:
            file.close()

    def __exit__(self, *_: object) -> None:
        self.close()
