"""Containers whose header declares a size: of the file, or of the elements at its top.

Each reader returns what a file lacks, in words, or None.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from shardmill_worker.engine.source import EndOfBytes, Source

_MAX_ELEMENTS: Final = 1 << 14
"""Elements that are looked at: of a file in more fragments than that, no end is known."""
_MAX_HEADER_BYTES: Final = 1 << 16
_EXCESS_BYTES: Final = 8
"""Some writers count the head of an element twice; no frame is missed for it."""
_ISO_BOXES: Final = frozenset(
    {b"ftyp", b"styp", b"pdin", b"moov", b"moof", b"mdat", b"imda", b"mfra", b"meta", b"meco"}
    | {b"free", b"skip", b"wide", b"uuid", b"udta", b"sidx", b"ssix", b"prft", b"emsg"}
    | {b"pnot", b"PICT", b"jP  ", b"jp2h"}
)
"""Boxes at the top of a file (ISO/IEC 14496-12, table 1; QuickTime); anything else is junk."""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_RIFF_CHUNKS: Final = frozenset({b"RIFF", b"LIST", b"JUNK", b"idx1"})
_RIFF_UNKNOWN: Final = frozenset({0, 0xFFFFFFFF})
_FLV_METADATA: Final = 18
_FLV_FILE_SIZE: Final = b"\0\x08filesize\0"
"""A name of 8 letters and the mark of a number (AMF 0), as in ``onMetaData``."""
_ASF_FILE_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_OBJECTS: Final = frozenset(
    {
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),  # header
        bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"),  # data
        bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),  # simple index
        bytes.fromhex("d329e2d6da35d111903400a0c90349be"),  # index
        bytes.fromhex("f803b1feac6c644c8840da8fd6b5dfb8"),  # media object index
    }
)
"""Objects at the top of a file (ASF specification, 10.1); anything else is junk."""
_ASF_BROADCAST: Final = 1
_REAL_CHUNKS: Final = frozenset({b".RMF", b"PROP", b"CONT", b"MDPR", b"DATA", b"INDX"})
_REAL_EXCESS_BYTES: Final = 10
"""FFmpeg's writer counts the 18 bytes of the data chunk's head twice, and adds 8 behind it."""
_MXF_PARTITION: Final = bytes.fromhex("060e2b34020501010d01020101")
_MXF_LABEL: Final = bytes.fromhex("060e2b34")
_NSV_UNKNOWN: Final = 0xFFFFFFFF


def _lack(source: Source, end: int) -> str | None:
    """Return what a file lacks that should reach up to ``end`` at least."""
    if end <= source.size_bytes:
        return None
    return f"expected at least {end:,} bytes, found {source.size_bytes:,}"


def _end_of_elements(source: Source, start: int, size_at: Callable[[int], int | None]) -> int:
    """Return where the last of the elements ends that lie one behind the other.

    Args:
        source: The file.
        start: Where the first begins.
        size_at: Returns the size of the element at an offset, None if none begins there.
    """
    with suppress(EndOfBytes):  # less is left than the head of an element
        for _ in range(_MAX_ELEMENTS):
            if start >= source.size_bytes or (size := size_at(start)) is None:
                break
            start += size
    return start


def iso_bmff(source: Source) -> str | None:
    """Find the end of the last box, and of the last segment that an index names."""
    indexed_end = excess_bytes = 0

    def size_at(offset: int) -> int | None:
        nonlocal indexed_end, excess_bytes
        size, kind = source.unpack(">I4s", offset)
        if kind not in _ISO_BOXES or size == 0:  # 0 means up to the end of the file
            return None
        if size == 1:
            (size,) = source.unpack(">Q", offset + 8)
        if kind == b"sidx" and offset + size <= source.size_bytes:
            indexed_end = max(indexed_end, _end_of_indexed(source, offset, size))
        excess_bytes = _EXCESS_BYTES if kind == b"mdat" else 0
        return int(size) if size >= 8 else None

    end = _end_of_elements(source, 0, size_at)
    return _lack(source, max(end - excess_bytes, indexed_end))


def _end_of_indexed(source: Source, offset: int, size: int) -> int:
    """Return where the last segment ends that a segment index names (ISO/IEC 14496-12, 8.16.3)."""
    short = source.read(offset + 8, 1) == b"\0"
    first, count = source.unpack(">I2xH" if short else ">Q2xH", offset + (24 if short else 28))
    entries = source.read(offset + (32 if short else 40), 12 * count)
    sizes = (int.from_bytes(entries[at : at + 4]) & 0x7FFFFFFF for at in range(0, 12 * count, 12))
    return offset + size + int(first) + sum(sizes)


def matroska(source: Source) -> str | None:
    """Find the end of the segment, which holds everything; a stream leaves it unknown."""
    if source.read(0, 4) != _EBML:
        return None
    size, start = _ebml_number(source, 4)
    segment = start + (size or 0)
    if source.read(segment, 4) != _SEGMENT:
        return None
    size, start = _ebml_number(source, segment + 4)
    return None if size is None else _lack(source, start + size)


def _ebml_number(source: Source, offset: int) -> tuple[int | None, int]:
    """Return a number of variable length, None for "unknown", and where it ends (RFC 8794, 4)."""
    length = 9 - source.read(offset, 1)[0].bit_length()
    if length > 8:
        return None, offset + 1
    unknown = (1 << 7 * length) - 1
    value = int.from_bytes(source.read(offset, length)) & unknown
    return (None if value == unknown else value), offset + length


def avi(source: Source) -> str | None:
    """Find the end of the last chunk in a RIFF, of which a large file has several (OpenDML)."""
    end = 0

    def size_at(offset: int) -> int | None:
        nonlocal end
        kind, size = source.unpack("<4sI", offset)
        if kind not in _RIFF_CHUNKS or size in _RIFF_UNKNOWN:
            return None
        if kind == b"RIFF":
            end = max(end, offset + 8 + size - _EXCESS_BYTES)
            return 12  # its chunks follow
        end = max(end, offset + 8 + size)
        return int(8 + size + size % 2)

    _end_of_elements(source, 0, size_at)
    return _lack(source, end)


def flv(source: Source) -> str | None:
    """Find the file's size in its metadata, where its writer could go back to it."""
    (head,) = source.unpack(">I", 13)
    metadata = source.read(24, min(head & 0xFFFFFF, _MAX_HEADER_BYTES))
    place = metadata.find(_FLV_FILE_SIZE)
    if head >> 24 != _FLV_METADATA or place < 0:
        return None
    (size,) = source.unpack(">d", 24 + place + len(_FLV_FILE_SIZE))
    return _lack(source, int(size)) if 0 < size < 2**63 else None


def asf(source: Source) -> str | None:
    """Find the end of header, data and indexes, unless the file is a broadcast."""
    head = source.read(0, min(source.size_bytes, _MAX_HEADER_BYTES))
    place = head.find(_ASF_FILE_PROPERTIES)
    if place < 0 or source.unpack("<I", place + 88)[0] & _ASF_BROADCAST:
        return None

    def size_at(offset: int) -> int | None:
        kind, size = source.unpack("<16sQ", offset)
        return int(size) if kind in _ASF_OBJECTS and size >= 24 else None

    return _lack(source, _end_of_elements(source, 0, size_at))


def real_media(source: Source) -> str | None:
    """Find the end of the last chunk; all packets lie in one."""

    def size_at(offset: int) -> int | None:
        kind, size = source.unpack(">4sI", offset)
        return int(size) if kind in _REAL_CHUNKS and size >= 8 else None

    return _lack(source, _end_of_elements(source, 0, size_at) - _REAL_EXCESS_BYTES)


def mxf(source: Source) -> str | None:
    """Find the end of the footer, whose place the first partition declares (SMPTE 377, 7.1)."""
    if source.read(0, len(_MXF_PARTITION)) != _MXF_PARTITION:
        return None
    _, values = _ber_length(source, 16)
    (footer,) = source.unpack(">Q", values + 24)
    if footer == 0:
        return None
    end = _end_of_elements(source, footer, partial(_klv_bytes, source))
    return _lack(source, max(end, footer + 1))


def _klv_bytes(source: Source, offset: int) -> int | None:
    if source.read(offset, 4) != _MXF_LABEL:
        return None
    length, value = _ber_length(source, offset + 16)
    return value - offset + length


def _ber_length(source: Source, offset: int) -> tuple[int, int]:
    """Return a length in ASN.1's basic encoding, and where it ends."""
    first = source.read(offset, 1)[0]
    if first < 0x80:
        return first, offset + 1
    digits = first & 0x7F
    return int.from_bytes(source.read(offset + 1, digits)), offset + 1 + digits


def bink(source: Source) -> str | None:
    """Find the file's size, without the first eight bytes, behind the signature."""
    return _lack(source, 8 + source.unpack("<4xI", 0)[0])


def flic(source: Source) -> str | None:
    """Find the file's size at its beginning."""
    return _lack(source, source.unpack("<I", 0)[0])


def nsv(source: Source) -> str | None:
    """Find the file's size in the header, which a broadcast lacks."""
    kind, size = source.unpack("<4s4xI", 0)
    return _lack(source, size) if kind == b"NSVf" and size != _NSV_UNKNOWN else None
