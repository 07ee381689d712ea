"""JPEG: marker segments up to the first scan (ITU-T T.81 annex B; JFIF; Exif; Adobe TN 5116).

A header says what libav's decoder makes of a picture (``libavcodec/mjpegdec.c``).  The walk of the
segments costs less than a call of libjpeg-turbo, which leaves out orientation and pixel aspect.
"""

import struct
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.exif import BYTE_ORDERS, checked_orientation
from shardmill_worker.engine.formats.look import MAX_LOOKS, Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav, bytes_at

SOI: Final = b"\xff\xd8"
EOI: Final = b"\xff\xd9"
SCAN: Final = 0xFFDA
TABLES: Final = frozenset({0xFFC4, 0xFFDB, 0xFFDD})
"""Huffman codes, quantisation, restart interval."""
_FRAMES: Final = frozenset({0xFFC0, 0xFFC1, 0xFFC2})
"""Frame headers: baseline, extended sequential, progressive."""
_PROGRESSIVE: Final = 0xFFC2
_APP1: Final = 0xFFE1
_APP2: Final = 0xFFE2
_COMMENT: Final = 0xFFFE
_NOTES: Final = frozenset({_COMMENT, *range(0xFFE0, 0xFFF0)})
"""Comments and the segments of applications."""
_FILL: Final = 0xFFFF
_MAX_SEGMENTS: Final = 4096
_WINDOW_BYTES: Final = 4096
_MARKER_AND_LENGTH: Final = struct.Struct(">HH").unpack_from

_TAIL_BYTES: Final = 64
_TRAILER_BYTES: Final = 1 << 16
_PIECE_BYTES: Final = 1 << 20
_MAX_SCANS_BYTES: Final = 1 << 28
"""Coded pictures are no longer, so that their end is looked for no farther."""

_NOTED: Final = frozenset(
    {b"Exif", b"Adob", b"MPF\0", b"AVI1", b"LJIF", b"AVID", b"CS=I", b"Meta", b"MULT"}
)
"""Starts of segments and comments that may change what libav makes of a picture."""
_LEAST_NOTE_BYTES: Final = 4
"""libav refuses a shorter segment of an application."""
_JFIF_BYTES: Final = 12
_ADOBE_BYTES: Final = 12
_EXIF: Final = b"Exif\0\0"
_MAX_TABLE: Final = 3
_UNKNOWN: Final = -1
"""Colour transform of a picture without Adobe's segment."""
_NOTHING: Final = (_UNKNOWN, 1, 1)
"""Colour transform, orientation and views where no segment speaks of them."""
_SQUARE: Final = b"\0\1\0\1"

_WHOLE: Final = frozenset(
    {0x11111100, 0x12121100, 0x22122100, 0x21211100, 0x22211200, 0x22221100, 0x22112200}
    | {0x11222200, 0x21112100, 0x22122200}
)
_HIGH: Final = frozenset({0x12111100, 0x14121200, 0x14111100, 0x22211100, 0x22112100})
_WIDE: Final = 0x21111100
_PIX_FMTS: Final[dict[int, str]] = {
    **dict.fromkeys((*_WHOLE, 0x31111100), "yuvj444p"),
    **dict.fromkeys(_HIGH, "yuvj440p"),
    **dict.fromkeys((_WIDE, 0x22121100, 0x22111200, 0x41211100, 0x42221200), "yuvj422p"),
    **dict.fromkeys((0x22111100, 0x23111100, 0x42111100, 0x24111100), "yuvj420p"),
    0x41111100: "yuvj411p",
    **dict.fromkeys((0x11000000, 0x13000000, 0x14000000, 0x31000000, 0x33000000), "gray"),
    **dict.fromkeys((0x34000000, 0x41000000, 0x43000000, 0x44000000), "gray"),
}
"""Pixel format by the sampling factors of the components, reduced, four bits each."""
_OF_FOUR: Final[dict[int, dict[int, str]]] = {
    0x11111111: {0: "gbrap", _UNKNOWN: "yuva444p"},
    0x22111122: {0: "gbrap", 2: "yuva444p", _UNKNOWN: "yuva420p"},
    0x22111111: {0: "gbrap", 2: "yuva444p", _UNKNOWN: "yuva420p"},
}
"""Those of four components: the format by Adobe's colour transform, -1 for any other."""

_MP_ENTRIES: Final = 0xB002
_MP_ENTRY_BYTES: Final = 16
_VIEWS: Final = frozenset({0x030000, 0x020001, 0x020002, 0x020003})
"""Primary picture, panorama, disparity and multi-angle: no thumbnails, no gain maps."""


def segments(
    passed: Collection[int], head: bytes, size_bytes: int, pread: Pread
) -> list[tuple[int, int, int]]:
    """Return the segments in front of the first scan, and what ends them.

    Args:
        passed: Markers of the segments to leave out.
        head: First bytes of the file.
        size_bytes: Size of the file.
        pread: Returns at most so many bytes from an offset.

    Returns:
        Marker, start and length of each segment's body.  The last one is the header of the scan,
        or whatever stands where no segment of a picture's head may; nothing of that kind follows
        where the file ends before.
    """
    found: list[tuple[int, int, int]] = []
    window, start, at = head, 0, len(SOI)
    last = len(window) - 4
    for _ in range(_MAX_SEGMENTS):
        if at > last:
            start += at
            window = pread(_WINDOW_BYTES, start) if start < size_bytes else b""
            at, last = 0, len(window) - 4
            if last < 0:
                return found
        marker, length = _MARKER_AND_LENGTH(window, at)
        if marker in passed:
            at += 2 + length
        elif marker == _FILL:
            at += 1
        else:
            found.append((marker, start + at + 4, length - 2))
            if marker not in _BEFORE_SCAN or length < 2:
                return found
            at += 2 + length
    found.append((0, start + at, 0))
    return found


_BEFORE_SCAN: Final = TABLES | _NOTES | _FRAMES


def begins_as_jpeg(size_bytes: int, pread: Pread) -> bool:
    """Return whether a file is a JPEG up to its first scan, segment by segment (T.81, B.1.1)."""
    head = pread(_WINDOW_BYTES, 0)
    if not head.startswith(SOI):
        return False
    found = segments(_BEFORE_SCAN, head, size_bytes, pread)
    return bool(found) and found[-1][0] == SCAN


def tables_of(data: bytes) -> frozenset[int]:
    """Return the markers of the tables in front of a picture's first scan."""
    found = segments(_NOTES | _FRAMES, data, len(data), lambda _length, _offset: b"")
    return TABLES & {marker for marker, _, _ in found}


def read_jpeg(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a JPEG of 8 bits says.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It is rare or odd.
        TooLarge: It claims too many pixels.
    """
    kind, frame, density, scan = 0, b"", _SQUARE, 0
    known, notes = len(head), []
    for marker, start, length in segments(TABLES, head, size_bytes, pread):
        end = start + length
        if marker in _NOTES and length >= (0 if marker == _COMMENT else _LEAST_NOTE_BYTES):
            mark = head[start : start + 4] if start + 4 <= known else pread(4, start)
            if mark == b"JFIF" and length >= _JFIF_BYTES and marker != _COMMENT:
                density = bytes_at(head, start + 8, 4, pread)
            elif mark in _NOTED:
                notes.append((marker, start, length))
        elif marker in _FRAMES and length > 0 and not kind:
            kind, frame = marker, head[start:end] if end <= known else pread(length, start)
        elif marker == SCAN and length > 0:
            scan = end
        else:
            raise OnlyLibav
    if not scan:
        raise Corrupt("The file is cut off: it ends within the header of a JPEG.")
    noted = _read_notes(notes, head, pread) if notes else _NOTHING
    facts, least_bytes = _look(kind, frame, density, noted)
    if size_bytes - scan < least_bytes:
        raise OnlyLibav
    tail = max(scan, size_bytes - _TAIL_BYTES)
    if EOI not in (head[tail:] if size_bytes <= known else pread(_TAIL_BYTES, tail)):
        _expect_end(scan, size_bytes, pread)
    return facts


def _read_notes(
    notes: list[tuple[int, int, int]], head: bytes, pread: Pread
) -> tuple[int, int, int]:
    """Return colour transform, orientation and number of views as segments say them.

    Raises:
        OnlyLibav: One is odd.
    """
    adobe, orientation, views = _NOTHING
    exifs = 0
    for marker, start, length in notes:
        body = bytes_at(head, start, min(length, _ADOBE_BYTES), pread)
        if body.startswith(b"Exif"):
            if marker == _APP1 and length > len(_EXIF):
                exifs += 1
                orientation = _turn(head, start + len(_EXIF), length - len(_EXIF), pread)
        elif body.startswith(b"MPF\0"):
            if marker == _APP2 and views == 1:
                views = _views(bytes_at(head, start + 4, length - 4, pread))
        elif body.startswith(b"Adobe") and len(body) == _ADOBE_BYTES:
            adobe = adobe if body.startswith(b"Adobe_CM") else body[-1]
        else:
            raise OnlyLibav
    if exifs > 1:
        raise OnlyLibav
    return adobe, orientation, views


def _turn(head: bytes, start: int, length: int, pread: Pread) -> int:
    """Return the orientation in an Exif block, of which no more is read than says it.

    Raises:
        OnlyLibav: It is odd.
    """

    def read(count: int, offset: int) -> bytes:
        return bytes_at(head, start + offset, max(0, min(count, length - offset)), pread)

    found = checked_orientation(read, length)
    if found is None:
        raise OnlyLibav
    return found


@lru_cache(MAX_LOOKS)
def _look(
    marker: int, frame: bytes, density: bytes, noted: tuple[int, int, int]
) -> tuple[Facts, int]:
    """Return the facts, and how long the coded picture is at least.

    Args:
        marker: That of the frame header.
        frame: Body of the frame header.
        density: Pixels a unit, across and down, as JFIF has them.
        noted: Colour transform, orientation and number of views.

    Raises:
        OnlyLibav: The frame header is odd.
        TooLarge: There are too many pixels.
    """
    adobe, orientation, views = noted
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5] or frame[0] != 8:
        raise OnlyLibav
    height, width = struct.unpack_from(">HH", frame, 1)
    pix_fmt = _pix_fmt(frame[6::3], frame[7::3], adobe)
    if pix_fmt is None or max(frame[8::3]) > _MAX_TABLE:
        raise OnlyLibav
    look = Look(
        container="jpeg_pipe",
        codec="mjpeg",
        size=(width, height),
        pix_fmt=pix_fmt,
        orientation=orientation,
        aspect=struct.unpack(">HH", density),
        color_matrix="bt470bg",
        color_range="pc" if pix_fmt.startswith("yuv") else None,
        pages=views,
    )
    return facts_of_look(look), _least_bytes(
        width, height, frame[7::3], progressive=marker == _PROGRESSIVE
    )


def _pix_fmt(ids: bytes, sampling: bytes, adobe: int) -> str | None:
    """Return the pixel format that ``ff_mjpeg_decode_sof`` chooses, None if it knows none.

    Args:
        ids: A byte of each component.
        sampling: Horizontal (upper half of a byte) and vertical factor of each component.
        adobe: Colour transform, -1 if unknown.
    """
    if not 0 < len(ids) <= 4 or not all(factor >> 4 and factor & 15 for factor in sampling):
        return None
    factors = int.from_bytes(sampling.ljust(4, b"\0"))
    if not factors & 0xD0D0D0D0:  # all 2, or 0
        factors -= (factors & 0xF0F0F0F0) >> 1
    if not factors & 0x0D0D0D0D:
        factors -= (factors & 0x0F0F0F0F) >> 1
    if factors in _OF_FOUR:
        adobe = 0 if ids == b"CMYK" else adobe
        return _OF_FOUR[factors].get(adobe, _OF_FOUR[factors][_UNKNOWN])
    is_rgb = ids == b"RGB"
    if (factors in _WHOLE and (is_rgb or adobe == 0)) or (
        is_rgb and (factors in _HIGH or factors == _WIDE)
    ):
        return "gbrp"
    return _PIX_FMTS.get(factors)


def _least_bytes(width: int, height: int, sampling: bytes, *, progressive: bool) -> int:
    """Return how long the coded picture is at least: no code is shorter than a bit.

    A block of 8 x 8 samples needs a code for its mean and one for the end of the block, which a
    progressive picture can save.
    """
    across = max(factor >> 4 for factor in sampling)
    down = max(factor & 15 for factor in sampling)
    blocks = sum(
        -(-width * (factor >> 4) // (8 * across)) * -(-height * (factor & 15) // (8 * down))
        for factor in sampling
    )
    return blocks * (1 if progressive else 2) // 8


def _expect_end(scan: int, size_bytes: int, pread: Pread) -> None:
    """Look for the end of the picture where a trailer may follow it, then from its first scan on.

    Coded samples never hold the mark.  Phones append videos of megabytes.

    Raises:
        Corrupt: There is none.
    """
    last = max(scan, size_bytes - _TRAILER_BYTES)
    if EOI in pread(size_bytes - last, last):
        return
    position, end = scan, min(last + 1, scan + _MAX_SCANS_BYTES)
    while position + 1 < end:
        piece = pread(min(_PIECE_BYTES, end - position), position)
        if EOI in piece:
            return
        position += max(1, len(piece) - 1)
    raise Corrupt("The file is cut off: expected the mark that ends a JPEG, found none.")


def _views(index: bytes) -> int:
    """Count the views in the index of a Multi-Picture file (CIPA DC-007, 5.2.3)."""
    order = BYTE_ORDERS.get(index[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, directory)
        for entry in range(count):
            tag, _, size, offset = struct.unpack_from(
                f"{order}HHII", index, directory + 2 + 12 * entry
            )
            if tag == _MP_ENTRIES:
                kinds = [
                    struct.unpack_from(f"{order}I", index, offset + at)[0] & 0xFFFFFF
                    for at in range(0, min(size, len(index)), _MP_ENTRY_BYTES)
                ]
                return sum(kind in _VIEWS for kind in kinds)
    except struct.error:  # the structure ends before it says so
        return 1
    return 1


def pages_of_jpeg(size_bytes: int, pread: Pread) -> int:
    """Return how many views a JPEG holds."""
    head = pread(_WINDOW_BYTES, 0)
    for marker, start, length in segments(_BEFORE_SCAN - {_APP2}, head, size_bytes, pread):
        if marker == _APP2 and length >= 4 and bytes_at(head, start, 4, pread) == b"MPF\0":
            return _views(bytes_at(head, start + 4, length - 4, pread))
    return 1
