"""Exif: the orientation, where libav is sure to read it too (CIPA DC-008, TIFF 6.0)."""

import struct
from typing import Final

from shardmill_worker.engine.source import NotPlain

_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3
_DIRECTORIES: Final = frozenset({0x8769, 0x8825, 0xA005, 0x0190, 0xC6F5})
"""Entries that point to another directory: Exif, GPS, interoperability, and TIFF's own two."""
_MAKER_NOTE: Final = 0x927C
_SIZES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)
"""Bytes a value, by type."""
_MAX_ENTRIES: Final = 128
_MAX_DEPTH: Final = 3


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation, 1 to 8; an impossible one is 1.

    libav drops all of an Exif block if any of it is damaged; so a turn counts only if the whole
    block is sound.

    Args:
        tiff: The block without its mark, a TIFF structure.

    Raises:
        NotPlain: The block is damaged or strange.
    """
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None or len(tiff) < 8:
        raise NotPlain
    entries = _entries(tiff, order, *struct.unpack_from(f"{order}I", tiff, 4))
    found = [entry for entry in entries if entry[0] == _ORIENTATION]
    if not found:
        return 1
    (_, kind, count, value) = found[0]
    if len(found) > 1 or (kind, count) != (_SHORT, 1):
        raise NotPlain
    orientation = value >> 16 if order == ">" else value & 0xFFFF
    if not 2 <= orientation <= 8:
        return 1
    _expect_sound(tiff, order, entries, depth=0)
    return int(orientation)


def _entries(tiff: bytes, order: str, position: int) -> list[tuple[int, int, int, int]]:
    """Return tag, type, count and value of each entry of the directory at a position."""
    head = tiff[position : position + 2]
    if position < 8 or len(head) < 2:
        raise NotPlain
    (count,) = struct.unpack(f"{order}H", head)
    end = position + 2 + 12 * count
    if not 0 < count <= _MAX_ENTRIES or end + 4 > len(tiff):
        raise NotPlain
    (following,) = struct.unpack_from(f"{order}i", tiff, end)
    if following < 0:
        raise NotPlain
    return list(struct.iter_unpack(f"{order}HHII", tiff[position + 2 : end]))


def _expect_sound(
    tiff: bytes, order: str, entries: list[tuple[int, int, int, int]], depth: int
) -> None:
    for tag, kind, count, value in entries:
        if not 0 < kind < len(_SIZES) or count > len(tiff):
            raise NotPlain
        size = _SIZES[kind] * count
        if tag in _DIRECTORIES:
            if depth == _MAX_DEPTH:
                raise NotPlain
            _expect_sound(tiff, order, _entries(tiff, order, value), depth + 1)
        elif size > 4 and value + size > len(tiff):
            raise NotPlain
