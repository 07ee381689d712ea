"""Elements of EBML: RFC 8794."""

from collections.abc import Iterator
from typing import Final

from shardmill_worker.engine.source import OnlyLibav, Source

_MAX_ID_BYTES: Final = 4
_MAX_SIZE_BYTES: Final = 8
_MAX_ELEMENTS: Final = 1024
"""In one other."""


def head_at(source: Source, offset: int) -> tuple[int, int | None, int]:
    """Return an element's identifier, its size (None if unknown), and where its data begins.

    Raises:
        OnlyLibav: There is none.
    """
    data = source.read(offset, min(_MAX_ID_BYTES + _MAX_SIZE_BYTES, source.size_bytes - offset))
    identifier, size, begin = _head(data, 0)
    return identifier, size, offset + begin


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the identifier and the data of each element.

    Raises:
        OnlyLibav: One is cut off, or of unknown size, or there are very many.
    """
    position = 0
    for _ in range(_MAX_ELEMENTS):
        if position >= len(data):
            return
        identifier, size, begin = _head(data, position)
        if size is None or begin + size > len(data):
            raise OnlyLibav
        position = begin + size
        yield identifier, data[begin:position]
    raise OnlyLibav


def number_at(data: bytes, offset: int) -> tuple[int | None, int]:
    """Return a number of variable length, None for "unknown", and where it ends.

    Raises:
        OnlyLibav: There is none.
    """
    if offset >= len(data):
        raise OnlyLibav
    length = 9 - data[offset].bit_length()
    if length > _MAX_SIZE_BYTES or offset + length > len(data):
        raise OnlyLibav
    unknown = (1 << 7 * length) - 1
    value = int.from_bytes(data[offset : offset + length]) & unknown
    return (None if value == unknown else value), offset + length


def _head(data: bytes, offset: int) -> tuple[int, int | None, int]:
    if offset >= len(data):
        raise OnlyLibav
    length = 9 - data[offset].bit_length()
    if length > _MAX_ID_BYTES:
        raise OnlyLibav
    size, begin = number_at(data, offset + length)
    return int.from_bytes(data[offset : offset + length]), size, begin
