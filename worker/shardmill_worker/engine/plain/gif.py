"""GIF: the blocks of a small file that holds one picture (GIF89a specification)."""

import struct
from typing import Final

from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.source import NotPlain, Source

_MAX_BYTES: Final = 1 << 16
"""The blocks of a larger file are too many to look at each."""
_SCREEN: Final = struct.Struct("<6s2H3B")
_PLACE: Final = struct.Struct("<4HB")
_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_TRAILER: Final = 0x3B
_HAS_TABLE: Final = 0x80
_CODE_BITS: Final = range(2, 9)


def read_gif(source: Source) -> Picture:
    """Return what a GIF of one picture says.

    Raises:
        NotPlain: It is large, moves, is cut off, or its pixels are not square.
    """
    if source.size_bytes > _MAX_BYTES:
        raise NotPlain
    data = source.read(0, source.size_bytes)
    try:
        return _read(data)
    except (IndexError, struct.error) as error:  # cut off
        raise NotPlain from error


def _read(data: bytes) -> Picture:
    signature, width, height, flags, _, aspect = _SCREEN.unpack_from(data)
    position = _expect_picture(data, _SCREEN.size, flags, width, height)
    position = _after_extensions(data, position)
    if signature not in (b"GIF87a", b"GIF89a") or aspect:
        raise NotPlain
    if data[position] != _TRAILER or position + 1 != len(data):
        raise NotPlain
    return Picture(
        container="gif", codec="gif", width=width, height=height, pix_fmt="bgra", frames_header=1
    )


def _expect_picture(data: bytes, position: int, flags: int, width: int, height: int) -> int:
    """Return where the picture ends: it lies on the screen and has colours."""
    position = _after_extensions(data, position + _table_bytes(flags))
    if data[position] != _IMAGE:
        raise NotPlain
    left, top, wide, high, its_flags = _PLACE.unpack_from(data, position + 1)
    if left + wide > width or top + high > height or not (flags | its_flags) & _HAS_TABLE:
        raise NotPlain
    position += 1 + _PLACE.size + _table_bytes(its_flags)
    if not wide or not high or data[position] not in _CODE_BITS or not data[position + 1]:
        raise NotPlain
    return _after_sub_blocks(data, position + 1)


def _after_extensions(data: bytes, position: int) -> int:
    while data[position] == _EXTENSION:
        position = _after_sub_blocks(data, position + 2)
    return position


def _after_sub_blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += data[position] + 1
    return position + 1


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _HAS_TABLE else 0
