"""How a HEIF file puts its picture together from tiles: what libav knows and PyAV does not pass on.

The boxes are those of ISO/IEC 14496-12 (``meta`` and what it holds) and ISO/IEC 23008-12 (``grid``,
``irot``, ``imir``); an AVIF file has the same.  Only the primary item is looked at.
"""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import Corrupt, TooLarge, Unsupported
from shardmill_worker.engine.input_file import InputFile

MAX_META_BYTES: Final = 1 << 24
"""The largest description of a file that is read; a telephone's has some thousand bytes."""
_MAX_BOXES: Final = 64
"""Boxes of a file before its description."""
_OVERLAYS: Final = frozenset({b"iovl", b"iden"})
_GRID_BYTES: Final = 12
_LARGE_SIDES: Final = 0x01
_IN_FILE, _IN_IDAT = 0, 1
_EXIF_NUMBER: Final = {
    (0, False): 1,
    (0, True): 2,
    (180, False): 3,
    (180, True): 4,
    (90, True): 5,
    (90, False): 6,
    (270, True): 7,
    (270, False): 8,
}
"""Clockwise turn and whether mirrored left to right after it, to EXIF's number."""


class Grid(Struct, frozen=True):
    """A picture of equal tiles, row after row."""

    columns: int
    rows: int
    width: int
    """Of the picture, pixels; what the tiles have beyond it is cut off at the right."""
    height: int
    """Of the picture, pixels; what the tiles have beyond it is cut off at the bottom."""
    tiles: tuple[int, ...]
    """The item of each tile, ``rows * columns`` of them; one item may be several tiles."""
    orientation: int
    """As in EXIF, 1 to 8."""


def read_grid(file: InputFile) -> Grid | None:
    """Return the grid that is a HEIF file's picture, None if its picture is no grid.

    Args:
        file: The open file.

    Raises:
        Corrupt: The description contradicts itself, or ends too early.
        TooLarge: The description is larger than ``MAX_META_BYTES``.
        Unsupported: The picture is put together in another way.
    """
    meta = _meta(file)
    try:
        return _grid(file, meta)
    except (struct.error, KeyError, IndexError) as error:
        raise Corrupt(
            "Expected a description of the picture's tiles, found one that is cut off "
            f"or names what is not there ({error})."
        ) from error


def _meta(file: InputFile) -> bytes:
    """Return the payload of the file's ``meta`` box."""
    position, end = 0, file.size_bytes
    for _ in range(_MAX_BOXES):
        if position >= end:
            break
        head = file.pread(16, position)
        if len(head) < 8:
            break
        length, kind = struct.unpack_from(">I4s", head)
        start = 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
            start = 16
        if kind == b"meta":
            if length > MAX_META_BYTES:
                raise TooLarge(
                    f"Expected at most {MAX_META_BYTES} bytes of description, found {length}."
                )
            return file.pread(max(0, length - start), position + start)
        if length < start:
            break
        position += length
    raise Corrupt("Expected a description of the picture's tiles, found none.")


def _grid(file: InputFile, meta: bytes) -> Grid | None:
    boxes = dict(reversed(list(_boxes(meta[4:]))))  # the first of a kind
    primary = _primary(boxes[b"pitm"])
    kind = _kinds(boxes[b"iinf"])[primary]
    if kind in _OVERLAYS:
        raise Unsupported("The picture is made of others laid over each other.")
    if kind != b"grid":
        return None
    data = _item_data(file, boxes, primary)
    _version, flags, last_row, last_column = struct.unpack_from(">4B", data)
    width, height = struct.unpack_from(">II" if flags & _LARGE_SIDES else ">HH", data, 4)
    tiles = _derived_from(boxes[b"iref"], primary)
    rows, columns = last_row + 1, last_column + 1
    if len(tiles) != rows * columns or not width or not height:
        raise Corrupt(
            f"Expected {rows}x{columns} tiles for a picture of {width}x{height}, "
            f"found {len(tiles)}."
        )
    return Grid(columns, rows, width, height, tiles, _orientation(boxes[b"iprp"], primary))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and payload of the boxes in a payload; one that is cut off is the last."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            start = 16
        elif length == 0:
            length = len(data) - position
        if length < start:
            return
        yield kind, data[position + start : position + length]
        position += length


def _primary(pitm: bytes) -> int:
    (item,) = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)
    return int(item)


def _kinds(iinf: bytes) -> dict[int, bytes]:
    """Return the kind of each item."""
    kinds = {}
    for _, entry in _boxes(iinf[8 if iinf[0] else 6 :]):
        item, _protection, kind = struct.unpack_from(">IH4s" if entry[0] > 2 else ">HH4s", entry, 4)
        kinds[item] = kind
    return kinds


def _derived_from(iref: bytes, item: int) -> tuple[int, ...]:
    """Return the items that an item is derived from, in order."""
    number = "I" if iref[0] else "H"
    for kind, reference in _boxes(iref[4:]):
        source, count = struct.unpack_from(f">{number}H", reference)
        if kind == b"dimg" and source == item:
            start = struct.calcsize(f">{number}H")
            return struct.unpack_from(f">{count}{number}", reference, start)
    return ()


def _orientation(iprp: bytes, item: int) -> int:
    """Return how an item's picture is turned and mirrored, in the order in which the file says."""
    boxes = dict(_boxes(iprp))
    properties = list(_boxes(boxes[b"ipco"]))
    turn_deg, mirrored = 0, False
    for number in _associated(boxes[b"ipma"], item):
        kind, value = properties[number - 1] if number else (b"", b"")
        if kind == b"irot":
            left_deg = 90 * (value[0] & 3)
            turn_deg += left_deg if mirrored else -left_deg
        elif kind == b"imir":
            mirrored = not mirrored
            turn_deg += 0 if value[0] & 1 else 180  # top to bottom is left to right and half a turn
    return _EXIF_NUMBER[turn_deg % 360, mirrored]


def _associated(ipma: bytes, item: int) -> list[int]:
    """Return the numbers of an item's properties, from 1; 0 is none."""
    number = "H" if ipma[3] & 1 else "B"
    head = ">IB" if ipma[0] else ">HB"
    (entries,) = struct.unpack_from(">I", ipma, 4)
    position = 8
    for _ in range(entries):
        owner, count = struct.unpack_from(head, ipma, position)
        position += struct.calcsize(head)
        if owner == item:
            mask = 0x7FFF if number == "H" else 0x7F  # without the bit for "essential"
            return [n & mask for n in struct.unpack_from(f">{count}{number}", ipma, position)]
        position += count * struct.calcsize(number)
    return []


def _item_data(file: InputFile, boxes: dict[bytes, bytes], item: int) -> bytes:
    """Return the beginning of an item's data, as much as a grid has."""
    method, offset, length = _place(boxes[b"iloc"], item)
    length = min(length or _GRID_BYTES, _GRID_BYTES)
    if method == _IN_IDAT:
        return boxes[b"idat"][offset : offset + length]
    if method != _IN_FILE:
        raise Unsupported("The description of the picture's tiles lies within another item.")
    return file.pread(length, min(offset, 2**63 - 1))


def _place(iloc: bytes, item: int) -> tuple[int, int, int]:
    """Return the way to an item's first extent, its offset and its length (0: to the end)."""
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, iloc[5] & 15 if version else 0
    items = _Numbers(iloc, 6)
    for _ in range(items.next(2 if version < 2 else 4)):
        owner = items.next(2 if version < 2 else 4)
        method = items.next(2) & 15 if version else _IN_FILE
        items.next(2)  # which file: always this one
        base, extents = items.next(base_size), items.next(2)
        if owner == item and extents:
            items.next(index_size)
            offset = items.next(offset_size)
            return method, base + offset, items.next(length_size)
        items.skip(extents * (index_size + offset_size + length_size))
    raise KeyError(item)


class _Numbers:
    """Big-endian numbers, one after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def next(self, size: int) -> int:
        """Return a number of ``size`` bytes; of 0 bytes it is 0."""
        end = self._position + size
        if end > len(self._data):
            raise IndexError(end)
        number = int.from_bytes(self._data[self._position : end], "big")
        self._position = end
        return number

    def skip(self, size: int) -> None:
        """Leave out so many bytes."""
        self._position += size
