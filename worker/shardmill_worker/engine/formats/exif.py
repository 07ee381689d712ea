"""Exif: which way up a picture is (CIPA DC-008; TIFF 6.0, section 2).

Two readings exist.  ``orientation`` takes the entry where it stands.  ``checked_orientation`` gives
what libav's decoders give: they drop a whole block of which any part is damaged
(``libavcodec/exif.c``), so a turn counts only if every directory and value lies in the block.
"""

import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

from shardmill.contract.options.geometry import Size


class Orientation(Struct, frozen=True):
    """How a stored picture becomes an upright one: first turned, then mirrored."""

    rotation_deg: int = 0
    """Clockwise turn: 0, 90, 180 or 270."""
    mirrored: bool = False
    """True if it is mirrored left to right after the turn."""

    @property
    def swaps_sides(self) -> bool:
        """True if width and height change places."""
        return self.rotation_deg in (90, 270)

    def display_size(self, stored: Size, sample_aspect: Fraction) -> Size:
        """Return the size on a screen of square pixels: the width is scaled, then all turned."""
        width = max(1, round(stored.width * sample_aspect))
        return Size(stored.height, width) if self.swaps_sides else Size(width, stored.height)


UPRIGHT: Final = Orientation()
OF_EXIF: Final = {
    1: UPRIGHT,
    2: Orientation(0, mirrored=True),
    3: Orientation(180),
    4: Orientation(180, mirrored=True),
    5: Orientation(90, mirrored=True),
    6: Orientation(90),
    7: Orientation(270, mirrored=True),
    8: Orientation(270),
}
BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
"""First four bytes of a TIFF structure to the order that ``struct`` knows."""
MAX_BLOCK_BYTES: Final = 1 << 20

_ORIENTATION: Final = 0x0112
_SHORT: Final = 3
_MARKS: Final = {
    order: struct.pack(f"{order}HH", _ORIENTATION, _SHORT) for order in BYTE_ORDERS.values()
}
"""Tag and type of the entry that counts, by byte order."""
_ENDIANS: Final[dict[str, Literal["little", "big"]]] = {"<": "little", ">": "big"}
_HEAD_BYTES: Final = 8
_ENTRY_BYTES: Final = 12
_INLINE_SHORTS: Final = 2
"""So many 16-bit numbers stand in an entry itself."""
_WINDOW_BYTES: Final = 1024
_TURNS: Final = range(2, 9)
_MAX_ENTRIES: Final = 512
_POINTERS: Final = frozenset({0x8769, 0x8825, 0xA005, 0x0190, 0xC6F5})
"""Entries that point to a directory: Exif, GPS, interoperability, global parameters, profile."""
_MAKER_NOTE: Final = 0x927C
_DIRECTORY: Final = 13
"""Type of an entry that points to a directory, the highest number of a type."""
_SIZES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
"""Bytes a value, by type."""
_MAX_VALUES: Final = (2**31 - 1) // 8
_MAX_DEPTH: Final = 3
_MAX_ENTRIES_LIBAV: Final = 4096
_MAX_ENTRIES_READ: Final = 4096
"""Entries of all directories together: a hostile block could name each of them again and again."""
_MAX_POSITION: Final = 2**31
_MAKER_NOTE_LEADS: Final = (
    (b"AOC\0", 6),
    (b"QVC\0\0\0", None),
    (b"FOVEON\0\0", 10),
    (b"FUJI", None),
    (b"OLYMP\0", 8),
    (b"OLYMPUS\0II", None),
    (b"Panasonic\0\0\0", 12),
    (b"SIGMA\0\0\0", 10),
    (b"SONY DSC \0\0\0", 12),
)
"""How a maker's note begins, and how many bytes precede its directory; None if it has none."""
_NIKON: Final = b"Nikon\0"

Read = Callable[[int, int], bytes]
"""Returns at most so many bytes from an offset of a TIFF structure."""
_Entry = tuple[int, int, int, int, int]
"""Tag, type, number of values, the value or where the values lie, and where the entry lies."""


class _TooManyEntries(Exception):
    """The directories have more entries together than are looked at."""


def orientation(block: bytes) -> int:
    """Return the orientation in a TIFF structure, 1 to 8; 1, upright, if it holds no valid one."""
    order = BYTE_ORDERS.get(block[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, directory)
        for entry in range(min(entries, _MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", block, directory + 2 + _ENTRY_BYTES * entry
            )
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:  # the structure ends before it says so
        return 1
    return 1


def checked_orientation(read: Read, size_bytes: int) -> int | None:
    """Return the orientation that libav gives for a TIFF structure, None if only libav can tell.

    Args:
        read: Returns bytes of the structure.
        size_bytes: Size of the structure.
    """
    window = read(_WINDOW_BYTES, 0)
    order = BYTE_ORDERS.get(window[:4])
    if order is None or len(window) < _HEAD_BYTES:
        return 1
    (directory,) = struct.unpack_from(f"{order}I", window, 4)
    start = directory + 2
    size = window[directory:start] if start <= len(window) else read(2, directory)
    length = _ENTRY_BYTES * int.from_bytes(size, _ENDIANS[order])
    end = start + length
    entries = window[start:end] if end <= len(window) else read(length, start)
    turn = _turn(entries[: len(entries) // _ENTRY_BYTES * _ENTRY_BYTES], order, read)
    if turn == 1:
        return 1
    try:
        return turn if _Block(read, size_bytes, order).is_sound(directory, 0) else 1
    except _TooManyEntries:
        return None


def _turn(entries: bytes, order: str, read: Read) -> int:
    """Return the orientation in the first entry that holds one, 1 if there is none.

    Directories are searched as bytes: most hold dozens of entries of which one counts.
    """
    mark = _MARKS[order]
    at = entries.find(mark)
    while at >= 0:
        if at % _ENTRY_BYTES == 0:
            count, value = struct.unpack_from(f"{order}II", entries, at + 4)
            if 0 < count < _MAX_VALUES:
                data = entries[at + 8 : at + 10] if count <= _INLINE_SHORTS else read(2, value)
                turn = int.from_bytes(data, _ENDIANS[order])
                return turn if turn in _TURNS else 1
        at = entries.find(mark, at + 1)
    return 1


class _Block:
    """A TIFF structure, read as ``libavcodec/exif.c`` reads it."""

    def __init__(self, read: Read, size_bytes: int, order: str) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._order = order
        self._endian = _ENDIANS[order]
        self._seen = 0

    def entries(self, position: int) -> tuple[list[_Entry], int]:
        """Return a directory's entries and the number that follows them.

        That number is the place of the next directory; it is negative where libav takes this one
        for damaged.
        """
        position = self._within(position)
        left = self._size_bytes - position - 2
        count = int.from_bytes(self._read(2, position), self._endian)
        if left < 0 or left < _ENTRY_BYTES * count or count > _MAX_ENTRIES_LIBAV:
            return [], -1
        body = self._read(_ENTRY_BYTES * count + 4, position + 2)
        fields = struct.iter_unpack(f"{self._order}HHII", body[: _ENTRY_BYTES * count])
        entries = [
            (tag, kind, values, value, position + 2 + _ENTRY_BYTES * at)
            for at, (tag, kind, values, value) in enumerate(fields)
        ]
        following = body[_ENTRY_BYTES * count :]
        if len(following) < 4:
            return entries, 0
        return entries, int.from_bytes(following, self._endian, signed=True)

    def is_sound(self, position: int, depth: int) -> bool:
        """Return whether libav takes a directory for sound, and all to which it points.

        Raises:
            _TooManyEntries: There is too much to look at.
        """
        entries, following = self.entries(position)
        self._seen += 1 + len(entries)
        if self._seen > _MAX_ENTRIES_READ:
            raise _TooManyEntries
        if following < 0:
            return False
        return all(self._is_sound_entry(entry, depth) for entry in entries)

    def _is_sound_entry(self, entry: _Entry, depth: int) -> bool:
        tag, kind, count, value, at = entry
        if depth > _MAX_DEPTH or kind > _DIRECTORY or count >= _MAX_VALUES:
            return depth <= _MAX_DEPTH and kind == 0
        if kind == 0:
            return True
        if kind == _DIRECTORY or tag == _MAKER_NOTE or tag in _POINTERS:
            lead = self._note_lead(value) if tag == _MAKER_NOTE else 0
            directory = None if lead is None else self._within(value) + lead
            if not value or (directory is not None and self.is_sound(directory, depth + 1)):
                return True
            if tag != _MAKER_NOTE:
                return False
        size = _SIZES[kind] * count
        place = self._within(value) if size > 4 else at + 8
        # A note of the type "directory" is read as bytes, as many as it says it has values.
        needed = count if kind == _DIRECTORY else size
        return needed <= self._size_bytes - place

    def _note_lead(self, value: int) -> int | None:
        """Return what precedes the directory in a maker's note, None if it holds none."""
        position = self._within(value)
        left = self._size_bytes - position
        head = self._read(14, position)
        if left < 12:
            return None
        for start, lead in _MAKER_NOTE_LEADS:
            if head.startswith(start):
                return lead
        if head.startswith(_NIKON):
            return None if left < 14 or head[10:14] in BYTE_ORDERS else len(_NIKON) + 2
        return 0

    def _within(self, position: int) -> int:
        """Return where libav goes for a position: to an end of the block if it lies beyond."""
        return 0 if position >= _MAX_POSITION else min(position, self._size_bytes)
