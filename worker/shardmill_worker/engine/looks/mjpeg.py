"""What the header of a JPEG in a video says of its looks: ITU-T T.81, annex B."""

from fractions import Fraction
from typing import Final

from shardmill_worker.engine.colour_names import FULL
from shardmill_worker.engine.looks.look import Look
from shardmill_worker.engine.source import OnlyLibav

_START: Final = b"\xff\xd8"
_FRAME, _SCAN, _COMMENT, _JFIF = 0xC0, 0xDA, 0xFE, 0xE0
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})
_FORMATS: Final = {
    (0x22, 0x11): "yuvj420p",
    (0x21, 0x11): "yuvj422p",
    (0x22, 0x12): "yuvj422p",
    (0x11, 0x11): "yuvj444p",
}
"""By the sampling of luma and of chroma."""
_OWN_WAYS: Final = (b"AVID", b"CS=", b"Intel", b"Metasoft")
"""How comments of encoders begin whose pictures FFmpeg reads in another way."""
_BT470BG: Final = 5
_FRAME_BYTES: Final = 15
"""Of three components."""


def mjpeg_look(data: bytes) -> Look:
    """Return the looks of a picture.

    Raises:
        OnlyLibav: A segment may change them that is not understood here, or its sampling is rare.
    """
    if not data.startswith(_START):
        raise OnlyLibav
    position, aspect, frame = 2, None, b""
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        segment = data[position + 4 : end]
        if marker == _JFIF:
            aspect = _aspect(segment)
        elif marker == _FRAME and not frame:
            frame = segment
        elif marker == _SCAN and frame:
            return _look(frame, aspect)
        elif marker not in _TABLES and (marker != _COMMENT or segment.startswith(_OWN_WAYS)):
            break
        position = end
    raise OnlyLibav


def _look(frame: bytes, aspect: Fraction | None) -> Look:
    """Read a frame header (B.2.2) of three components."""
    is_plain = len(frame) == _FRAME_BYTES and (frame[0], frame[5]) == (8, 3)
    if not is_plain or frame[10] != frame[13] or (frame[7], frame[10]) not in _FORMATS:
        raise OnlyLibav
    return Look(
        width=int.from_bytes(frame[3:5]),
        height=int.from_bytes(frame[1:3]),
        pix_fmt=_FORMATS[frame[7], frame[10]],
        bit_depth=8,
        aspect=aspect,
        color_matrix=_BT470BG,
        color_range=FULL,
    )


def _aspect(segment: bytes) -> Fraction | None:
    if not segment.startswith(b"JFIF\0") or len(segment) < 14:
        raise OnlyLibav
    wide, high = int.from_bytes(segment[8:10]), int.from_bytes(segment[10:12])
    return Fraction(wide, high) if wide and high else None
