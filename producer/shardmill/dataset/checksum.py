"""A file that holds the checksum of its own bytes, where its format lets us add a word.

Parquet and Arrow check some of their bytes and trust others: the footer, the page headers.  So
the manifest and the index carry a seal in their last metadata, and the report in a comment: the
CRC-32C of the whole file, as it is with eight zeros in the seal's place.  A JSON object carries
that of its other values.

In a shard, a clip's row in the index has a checksum of the clip's frames.  All other bytes, as
headers, padding and tables, are its *framing*, under one more checksum in the index's metadata.  So
not a byte of a shard, in any format, is without a checksum.
"""

import errno
import io
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Final

import google_crc32c
from msgspec import Struct

from shardmill.contract.errors import DatasetDamaged
from shardmill.storage.files import open_to_read

SEAL: Final = "seal"
"""Key of the metadata that holds it."""
OPEN: Final = "crc32c:00000000"
"""Its value before the file is sealed."""
_MARK: Final = b"crc32c:"
_DIGITS: Final = 8
_TAIL_BYTES: Final = 1 << 20
"""The seal stands in the last so many bytes of a file."""
_CHUNK_BYTES: Final = 1 << 20


def sealed(data: bytes) -> bytes:
    """Return a file's bytes, written with ``OPEN`` as the last of such words, with its seal."""
    place, digits = _seal_of(io.BytesIO(data))
    return b"%b%b%b" % (data[:place], digits, data[place + _DIGITS :])


def seal_file(path: str) -> None:
    """Seal a file of any size that was written with ``OPEN`` as the last of such words."""
    with open(path, "rb+") as file:
        place, digits = _seal_of(file)
        file.seek(place)
        file.write(digits)


def check_seal(path: str) -> None:
    """Read a file to its end and compare it with its seal.

    Raises:
        DatasetDamaged: It has none, or its bytes are not those that were sealed.
        OSError: It cannot be read.
    """
    with os.fdopen(open_to_read(path), "rb") as file:
        _compare(path, file)


def check_sealed(path: str, data: bytes) -> None:
    """Compare the bytes of a file, as read from ``path``, with their seal.

    Raises:
        DatasetDamaged: They have none, or are not those that were sealed.
    """
    _compare(path, io.BytesIO(data))


def _compare(path: str, file: BinaryIO) -> None:
    try:
        place, digits = _seal_of(file)
    except DatasetDamaged as error:
        raise DatasetDamaged(f"{path}: {error}") from error
    file.seek(place)
    if file.read(_DIGITS) != digits:
        raise DatasetDamaged(f"{path} does not match its own checksum")


def sealed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a JSON object with their seal."""
    return dict(values) | {SEAL: f"{_MARK.decode()}{_crc_of(values):08x}"}


def check_values(path: str, values: Any) -> None:
    """Compare the values of a JSON object, as read from ``path``, with their seal.

    Raises:
        DatasetDamaged: It has none, or its values are not those that were sealed.
    """
    if not isinstance(values, dict) or SEAL not in values:
        raise DatasetDamaged(f"{path} holds no checksum of itself")
    rest = {name: value for name, value in values.items() if name != SEAL}
    if values != sealed_values(rest):
        raise DatasetDamaged(f"{path} does not match its own checksum")


def _crc_of(values: Mapping[str, Any]) -> int:
    crc: int = google_crc32c.value(json.dumps(values, sort_keys=True).encode("ascii"))
    return crc


def _seal_of(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the digits of a file's seal stand, and what they should be.

    Raises:
        DatasetDamaged: There is no seal.
    """
    size_bytes = file.seek(0, io.SEEK_END)
    first = file.seek(max(0, size_bytes - _TAIL_BYTES))
    mark = file.read(_TAIL_BYTES).rfind(_MARK)
    place = first + mark + len(_MARK)
    if mark < 0 or size_bytes < place + _DIGITS:
        raise DatasetDamaged("expected a file with its own checksum, found none")
    file.seek(0)
    crc = _extended(0, file, place)
    crc = google_crc32c.extend(crc, b"0" * _DIGITS)
    file.seek(place + _DIGITS)
    return place, b"%08x" % _extended(crc, file, size_bytes - place - _DIGITS)


def _extended(crc: int, file: BinaryIO, size_bytes: int) -> int:
    """Return a checksum that takes in the next bytes of a file."""
    while size_bytes > 0 and (data := file.read(min(_CHUNK_BYTES, size_bytes))):
        crc = google_crc32c.extend(crc, data)
        size_bytes -= len(data)
    return crc


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
