"""Containers that are made of parts of known size, the last of which may be incomplete.

They may end behind any part, so only a cut within one shows.  Each reader returns what a file
lacks, in words, or None.
"""

import re
from typing import Final

from shardmill_worker.engine.source import Source

_MAX_PARTS: Final = 1 << 20
_TS_PACKET_BYTES: Final = 188
_TS_SPACINGS: Final = (188, 192, 204)
"""From one packet to the next: bare, with a time before it (M2TS), with a checksum behind it."""
_TS_RUN: Final = b"\x47" * 8
"""The first bytes of so many packets: no chance."""
_PS_TAIL_BYTES: Final = 1 << 17
"""Holds the last pack, whose packets have 64 kB at most."""
_PS_PACK, _PS_START_CODE = b"\0\0\1\xba", b"\0\0\1"
_PS_END: Final = 0xB9
_DV_HEADS: Final = (b"\x1f\x07\0\x3f", b"\x1f\x07\0\xbf")
"""The first block of a frame of 525 and of 625 lines (SMPTE 314M, table 1)."""
_DV_BYTES: Final = (120_000, 144_000)
_DV_CHANNELS: Final = {0x04: 2, 0x14: 4, 0x15: 4, 0x18: 2}
"""By the kind of stream (SMPTE 314M and 370M): DVCPRO 50; DVCPRO HD of 1080 and of 720 lines."""
_Y4M_FRAME: Final = b"FRAME\n"
_Y4M_COLOURS: Final = re.compile(rb"(420|411|422|444alpha|444|mono)(?:jpeg|paldv|mpeg2|p?(\d+))?")
"""Chroma, and bits if not 8."""
_FLV_TAGS: Final = frozenset({8, 9, 18})
_ROQ_CHUNKS: Final = 0x10
_OBU_HEAD_BYTES: Final = 10
"""Two bytes of header and eight of size."""


def _lack(kind: str, found_bytes: int, expected_bytes: int) -> str:
    return f"expected {expected_bytes:,} bytes in its last {kind}, found {found_bytes:,}"


def mpeg_ts(source: Source) -> str | None:
    """Find the last packet by its sync byte (ISO/IEC 13818-1, 2.4.3.2)."""
    length = min(source.size_bytes, (len(_TS_RUN) + 1) * max(_TS_SPACINGS))
    tail = source.read(source.size_bytes - length, length)
    for spacing in _TS_SPACINGS:
        for found in range(1, spacing + 1):
            if tail[-found::-spacing][: len(_TS_RUN)] == _TS_RUN:
                is_whole = found >= _TS_PACKET_BYTES
                return None if is_whole else _lack("packet", found, _TS_PACKET_BYTES)
    return None


def mpeg_ps(source: Source) -> str | None:
    """Follow the packets of the last pack (ISO/IEC 13818-1, 2.5.3; 11172-1, 2.4.3)."""
    length = min(source.size_bytes, _PS_TAIL_BYTES)
    tail = source.read(source.size_bytes - length, length)
    position = tail.rfind(_PS_PACK)
    if position < 0 or position + 14 > len(tail):
        return None
    is_mpeg_2 = tail[position + 4] >> 6 == 1
    position += 14 + (tail[position + 13] & 7) if is_mpeg_2 else 12
    while tail.startswith(_PS_START_CODE, position) and position + 6 <= len(tail):
        size = 6 + int.from_bytes(tail[position + 4 : position + 6])
        if tail[position + 3] <= _PS_END or size == 6:  # a packet may leave its size open
            return None
        if position + size > len(tail):
            return _lack("packet", len(tail) - position, size)
        position += size
    return None


def dv(source: Source) -> str | None:
    """Divide the file by the size of a frame, which lines and kind of stream decide."""
    head = source.read(0, 480)
    frame_bytes = _DV_BYTES[head[3] >> 7] * _DV_CHANNELS.get(head[451] & 0x1F, 1)
    found = source.size_bytes % frame_bytes
    begin = source.read(source.size_bytes - found, min(found, 4))
    is_frame = found > 0 and any(mark.startswith(begin) for mark in _DV_HEADS)
    return _lack("frame", found, frame_bytes) if is_frame else None


def yuv4mpeg(source: Source) -> str | None:
    """Divide the file by the size of a frame, each behind a line of its own."""
    head = source.read(0, min(source.size_bytes, 512)).partition(b"\n")[0]
    pixels_bytes = _yuv_bytes(head)
    if pixels_bytes is None:
        return None
    frame_bytes = len(_Y4M_FRAME) + pixels_bytes
    found = (source.size_bytes - len(head) - 1) % frame_bytes
    begin = source.read(source.size_bytes - found, min(found, len(_Y4M_FRAME)))
    is_frame = found > 0 and _Y4M_FRAME.startswith(begin)
    return _lack("frame", found, frame_bytes) if is_frame else None


def _yuv_bytes(head: bytes) -> int | None:
    """Return the size of a frame's pixels, None if the header does not say it in a known way."""
    width, height = re.search(rb" W(\d{1,5})\b", head), re.search(rb" H(\d{1,5})\b", head)
    colours = re.search(rb" C(\w+)", head)
    known = _Y4M_COLOURS.fullmatch(colours[1] if colours else b"420")
    if width is None or height is None or known is None:
        return None
    wide, high = int(width[1]), int(height[1])
    chroma = {
        b"420": 2 * (-(-wide // 2) * -(-high // 2)),
        b"411": 2 * (-(-wide // 4) * high),
        b"422": 2 * (-(-wide // 2) * high),
        b"444": 2 * wide * high,
        b"444alpha": 3 * wide * high,
        b"mono": 0,
    }[known[1]]
    return (wide * high + chroma) * (2 if int(known[2] or 8) > 8 else 1)


def flv(source: Source) -> str | None:
    """Compare the sizes before and behind the last tag; a file where they differ is walked."""
    end = source.size_bytes
    (tag_bytes,) = source.unpack(">I", end - 4)
    if 11 <= tag_bytes <= end - 4:
        (head,) = source.unpack(">I", end - 4 - tag_bytes)
        if head & 0xFFFFFF == tag_bytes - 11:
            return None
    position = 13
    for _ in range(_MAX_PARTS):
        (head,) = source.unpack(">I", position)
        tag_bytes = 11 + (head & 0xFFFFFF)
        if head >> 24 not in _FLV_TAGS:
            return None
        if position + tag_bytes > end:
            return _lack("tag", end - position, tag_bytes)
        position += tag_bytes + 4
    return None


def roq(source: Source) -> str | None:
    """Walk through the chunks behind the head."""
    position = 8
    for _ in range(_MAX_PARTS):
        kind, length = source.unpack("<HI", position)
        if kind >> 8 != _ROQ_CHUNKS:
            return None
        if position + 8 + length > source.size_bytes:
            return _lack("chunk", source.size_bytes - position, 8 + length)
        position += 8 + length
    return None


def obu(source: Source) -> str | None:
    """Walk through the units, each with its size (AV1 specification, 5.3)."""
    position = 0
    for _ in range(_MAX_PARTS):
        head = source.read(position, min(_OBU_HEAD_BYTES, source.size_bytes - position))
        if not head or head[0] & 0x83 != 0x02:  # no size, or no unit
            return None
        start = 1 + (head[0] >> 2 & 1)
        length, start = _leb128(head, start)
        if position + start + length > source.size_bytes:
            return _lack("unit", source.size_bytes - position, start + length)
        position += start + length
    return None


def _leb128(data: bytes, start: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    value = 0
    for place, byte in enumerate(data[start:]):
        value |= (byte & 0x7F) << 7 * place
        start += 1
        if byte < 0x80:
            break
    return value, start
