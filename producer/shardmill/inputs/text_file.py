"""The text of a user's file: a list of inputs, annotations, a list of classes.

Every such file is read here, so that any program may have written it: plain or compressed by gzip,
UTF-8 or UTF-16, with lines that end in LF, CRLF or CR.  Memory is bounded.

Bytes that are not UTF-8 become surrogates, as in ``os.fsdecode``, because the name of a file may
hold any bytes.  ``utf8`` checks text that names no file.
"""

import codecs
import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Final, cast

from shardmill.contract.errors import EnvironmentFault, UsageError
from shardmill.contract.location.roots import STANDARD_INPUT
from shardmill.contract.quantity import printable

LIMIT: Final = 1 << 20
"""The longest line, name or JSON element, characters.  Longer ones are left out."""
BLOCK_BYTES: Final = 1 << 16
"""Bytes that are read at once.  The first block shows the encoding and what ends a name."""
GZIP: Final = b"\x1f\x8b"
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings."""
LINE_END: Final = re.compile(r"\r\n?|\n")
NAME_ENDS: Final = {
    "\0": re.compile("\0"),
    "\n": re.compile(r"\r?\n|\r\Z"),
    "\r": re.compile("\r"),
}
"""What ends a name in a file with such a character; the first of these that it has counts."""
STRAY_BYTE: Final = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as ``surrogateescape`` decodes it."""


class StrayByte(ValueError):
    """Text has a byte that is not UTF-8; the message says what to do about the file."""


class TextFile(AbstractContextManager["TextFile"]):
    """Reads a file or a pipe once, from start to end: by ``read``, ``lines`` or ``names``.

    Args:
        path: The file; ``-`` is standard input.
        refusal: Type of the error where the file cannot be used.

    Raises:
        UsageError: The file cannot be opened, or has bytes that its byte order mark excludes.
        EnvironmentFault: Reading fails on the way.
    """

    def __init__(self, path: str, refusal: type[UsageError]) -> None:
        self.path = "standard input" if path == STANDARD_INPUT else path
        self.damage: str | None = None
        """Why the end was reached too early; None if it was not, or not yet."""
        self.line = 1
        """The line that the next character belongs to."""
        self._refusal = refusal
        with ExitStack() as closing:
            self._file = self._opened(path, closing)
            self._ahead = self._bytes(BLOCK_BYTES)
            self._closing = closing.pop_all()
        self._encoding = _encoding_of(self._ahead)
        errors = "surrogateescape" if self._encoding.startswith("utf-8") else "strict"
        # It translates nothing.  It keeps CR and LF of one line end in one piece.
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(self._encoding)(errors), translate=False
        )

    def _opened(self, path: str, closing: ExitStack) -> io.BufferedReader | gzip.GzipFile:
        try:
            if path == STANDARD_INPUT:
                plain = cast("io.BufferedReader", sys.stdin.buffer)
            else:
                plain = closing.enter_context(open(path, "rb"))  # noqa: SIM115
            is_packed = plain.peek(len(GZIP)).startswith(GZIP)
        except (OSError, ValueError) as error:
            raise self._refusal(
                f"expected a text file at {path!r}, but it cannot be read "
                f"({getattr(error, 'strerror', None) or error}): check its name and permissions"
            ) from error
        return closing.enter_context(gzip.GzipFile(fileobj=plain)) if is_packed else plain

    def _bytes(self, size: int) -> bytes:
        """Return the next bytes, fewer than ``size`` only at the end or before damage."""
        data = bytearray()
        try:
            while len(data) < size and (more := self._file.read1(size - len(data))):
                data += more
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = f"the compressed data is damaged or cut off here ({error})"
        except OSError as error:
            raise EnvironmentFault(
                f"{printable(self.path)} cannot be read on: {os.strerror(error.errno or 0)}"
            ) from error
        return bytes(data)

    def read(self, size: int = BLOCK_BYTES) -> str:
        """Return the text of the next ``size`` bytes or so; empty at the end or at damage."""
        text, is_end = "", False
        while not text and not is_end:
            data, self._ahead = self._ahead, b""
            data = data or (b"" if self.damage else self._bytes(size))
            is_end = not data
            if is_end and self.damage:
                return ""
            try:
                text = self._decoder.decode(data, final=is_end)
            except UnicodeDecodeError as error:
                raise self._refusal(
                    f"expected {self._encoding.upper()} in {self.path!r}, as its first bytes say, "
                    f"got bytes that are none ({error.reason}): save the file as UTF-8"
                ) from error
        self.line += text.count("\n") or text.count("\r")
        return text

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """Yield each line's number, from 1, and its text with its end; None if it is too long.

        LF, CRLF and CR each end a line.
        """
        for number, piece in enumerate(self._pieces(self.read(), LINE_END), 1):
            yield number, "".join(piece) if piece else None

    def names(self) -> Iterator[tuple[int, str | None]]:
        """Yield the number of each name of a file, from 1, and the name; None if it is too long.

        Names end with NUL, as ``find -print0`` writes them, or else with their line: at LF or
        CRLF, and at CR only where the first block has no LF, since CR may be part of a name.
        """
        first = self.read()
        mark = next((char for char in NAME_ENDS if char in first), "\n")
        for number, piece in enumerate(self._pieces(first, NAME_ENDS[mark]), 1):
            yield number, piece[0] if piece else None

    def _pieces(self, text: str, end: re.Pattern[str]) -> Iterator[tuple[str, str] | None]:
        """Yield what lies between ends, each with its end; None for a piece that is too long.

        A piece that damage cuts off is left out.
        """
        is_long = False
        while text:
            at = 0
            for found in end.finditer(text):
                is_long = is_long or found.start() - at > LIMIT
                yield None if is_long else (text[at : found.start()], found[0])
                at, is_long = found.end(), False
            rest = text[at:]
            if len(rest) > LIMIT:
                rest, is_long = "", True
            more = self.read()
            if not more and not self.damage and (rest or is_long):
                yield None if is_long else (rest, "")
            text = rest + more if more else ""

    def __exit__(self, *_: object) -> None:
        self._closing.close()


def _encoding_of(head: bytes) -> str:
    """Return the encoding of a file by its first bytes.

    UTF-16 without a mark is recognised by a first line in which every second byte is NUL and no
    other, up to the NUL after a little-endian line end.  A list of names that are separated by NUL
    and one byte long looks alike, but has none of the characters asked for: no input has the path
    ``.`` or ``/``, and a name that begins with a line end goes on with another byte than NUL.
    """
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    line = re.split(rb"(?<=[\r\n])", head, maxsplit=1)[0]
    for encoding, low, high in (
        ("utf-16-le", line[::2], head[1 : len(line) + 1 : 2]),
        ("utf-16-be", line[1::2], line[::2]),
    ):
        if high and not any(high) and 0 not in low and re.search(rb"[\n\r./]", low):
            return encoding
    return "utf-8"


def utf8(text: str) -> str:
    """Return text as UTF-8 can hold it: lone surrogates, which JSON allows, are escaped.

    Raises:
        StrayByte: It has a byte that is not UTF-8.
    """
    if text.isascii():
        return text
    if stray := STRAY_BYTE.search(text):
        raise StrayByte(
            f"expected UTF-8, got the byte 0x{ord(stray[0]) - 0xDC00:02x} in "
            f"{printable(STRAY_BYTE.sub('?', text)):.60}: save the file as UTF-8, or convert it, "
            "as with iconv -f WINDOWS-1252 -t UTF-8"
        )
    return text.encode("utf-8", "backslashreplace").decode()
