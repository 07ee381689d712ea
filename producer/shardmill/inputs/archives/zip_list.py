"""What lies in a zip, by its central directory, read in pieces.

The standard library would hold an object a member.  The form is that of PKWARE's APPNOTE.TXT
6.3.10, sections 4.3.12 to 4.3.16.
"""

import os
import stat
import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from shardmill.inputs.archives.entry import BadArchive, Entry, Stretch

PIECE_BYTES: Final = 1 << 20
_END: Final = struct.Struct("<4s4H2IH")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64: Final = struct.Struct("<4sIQI")
_ENTRY: Final = struct.Struct("<4s2B4H6x2I3H4x2I")
"""Of an entry: version, system, version needed, flags, method, time; sizes; lengths of name, extra
and comment; attributes outside, offset."""
_LONGEST_COMMENT: Final = 0xFFFF
_IN_EXTRA: Final = 0xFFFFFFFF
"""A number that does not fit stands in the field of this kind in the extra part."""
_ZIP64: Final = 1
_MOST, _MOST_64 = 0xFFFF, 0xFFFFFFFFFFFFFFFF
_DOS: Final = 0
_UNIX_LINK: Final = stat.S_IFLNK


class _Directory(Struct, frozen=True):
    start: int
    length: int
    entries: int
    most: int
    """The largest number of entries that its field can say: old programs count on from 0."""
    shift: int
    """What precedes the archive in the stretch: offsets count from behind it."""


def entries_of_zip(stretch: Stretch) -> Iterator[Entry]:
    """Yield the files and links of a zip, in the order of its directory.

    Raises:
        BadArchive: It is none, or its directory is damaged or cut off.
    """
    directory = _directory(stretch)
    position, end = directory.start, directory.start + directory.length
    window, start = b"", position
    count = 0
    while position < end:
        if position + _ENTRY.size + 3 * _LONGEST_COMMENT > start + len(window):
            start, window = position, stretch.read(min(PIECE_BYTES, end - position), position)
        length, entry = _entry(window, position - start, stretch.start + directory.shift)
        position += length
        count += 1
        if entry is not None:
            yield entry
    if count & directory.most != directory.entries:
        raise BadArchive


def _directory(stretch: Stretch) -> _Directory:
    tail_at = max(0, stretch.length - _END.size - _LONGEST_COMMENT)
    tail = stretch.read(stretch.length - tail_at, tail_at)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or found + _END.size > len(tail):
        raise BadArchive
    end = tail_at + found
    _, disk, first_disk, _, entries, length, offset, _ = _END.unpack_from(tail, found)
    if disk or first_disk:
        raise BadArchive  # a part of an archive in several files
    most = _MOST
    locator = stretch.read(_LOCATOR_64.size, end - _LOCATOR_64.size) if end >= 76 else b""
    if locator.startswith(b"PK\6\7"):
        _, _, end_64, _ = _LOCATOR_64.unpack(locator)
        end -= _LOCATOR_64.size + _END_64.size
        signature, *_, entries, length, offset = _END_64.unpack(stretch.exactly(_END_64.size, end))
        if signature != b"PK\6\6" or end_64 > end:
            raise BadArchive
        most = _MOST_64
    start = end - length
    if start < 0 or offset > start:
        raise BadArchive
    return _Directory(start, length, entries, most, shift=start - offset)


def _entry(window: bytes, at: int, base: int) -> tuple[int, Entry | None]:
    """Return the length of an entry, and it; None for a folder."""
    if at + _ENTRY.size > len(window):
        raise BadArchive
    (signature, _, system, *_, packed_bytes, size_bytes, name_length, extra_length) = (
        _ENTRY.unpack_from(window, at)[:11]
    )
    comment_length, attributes, offset = _ENTRY.unpack_from(window, at)[11:]
    name_at = at + _ENTRY.size
    length = _ENTRY.size + name_length + extra_length + comment_length
    if signature != b"PK\1\2" or at + length > len(window):
        raise BadArchive
    name = os.fsdecode(window[name_at : name_at + name_length].partition(b"\0")[0])
    if system == _DOS and "/" not in name:
        name = name.replace("\\", "/")
    if not name or name.endswith("/"):
        return length, None
    extra = window[name_at + name_length : name_at + name_length + extra_length]
    size_bytes, packed_bytes, offset = _long(extra, size_bytes, packed_bytes, offset)
    is_link = system != _DOS and stat.S_IFMT(attributes >> 16) == _UNIX_LINK
    entry = Entry(
        name, size_bytes, base + offset, packed_bytes, obstacle="link" if is_link else None
    )
    return length, entry


def _long(extra: bytes, *numbers: int) -> list[int]:
    """Return numbers, with those that stand in the extra part in place of their marks."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == _ZIP64:
            field = extra[position + 4 : position + 4 + length]
            rest = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            return [next(rest, n) if n == _IN_EXTRA else n for n in numbers]
        position += 4 + length
    return list(numbers)
