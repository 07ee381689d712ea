"""WebP: one picture, lossy or lossless (RFC 9649; RFC 6386 for VP8)."""

from typing import Final

from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.source import NotPlain, Source

_LOSSY: Final = b"VP8 "
_LOSSLESS: Final = b"VP8L"
_EXTENDED: Final = b"VP8X"
_ALPHA: Final = b"ALPH"
_ORDERS: Final = frozenset(
    {
        (_LOSSY,),
        (_LOSSLESS,),
        (_EXTENDED, _LOSSY),
        (_EXTENDED, _ALPHA, _LOSSY),
        (_EXTENDED, _LOSSLESS),
        (_EXTENDED, b"ICCP", _LOSSY),
        (_EXTENDED, b"ICCP", _ALPHA, _LOSSY),
        (_EXTENDED, b"ICCP", _LOSSLESS),
    }
)
"""Chunks of a plain picture: no animation and no Exif, which turns it."""
_MAX_CHUNKS: Final = 5
_ALPHA_CODINGS: Final = (0, 1)
"""None, lossless."""
_START_CODE: Final = b"\x9d\x01\x2a"
_SIDE: Final = 0x3FFF
"""A side has 14 bits; above them VP8 puts a wish for scaling."""
_CODED_FLAGS: Final = 0x40
"""From this first byte on VP8's colour space or clamping are not the usual ones."""


def read_webp(source: Source) -> Picture:
    """Return what a WebP of one picture says.

    Raises:
        NotPlain: It may move or be turned, or is not as long as its header says.
    """
    riff, size, webp = source.unpack("<4sI4s", 0)
    if (riff, webp) != (b"RIFF", b"WEBP") or size + 8 != source.size_bytes:
        raise NotPlain
    chunks = _chunks(source)
    if tuple(chunks) not in _ORDERS:
        raise NotPlain
    # libav leaves out transparency that is compressed in an unknown way.
    if _ALPHA in chunks and source.read(chunks[_ALPHA][0], 1)[0] & 3 not in _ALPHA_CODINGS:
        raise NotPlain
    lossless = _LOSSLESS in chunks
    width, height = (_vp8l_size if lossless else _vp8_size)(
        source, *chunks[_LOSSLESS if lossless else _LOSSY]
    )
    if _EXTENDED in chunks and _canvas(source, *chunks[_EXTENDED]) != (width, height):
        raise NotPlain
    return Picture(
        container="webp_pipe",
        codec="webp",
        width=width,
        height=height,
        pix_fmt="argb" if lossless else "yuva420p" if _ALPHA in chunks else "yuv420p",
        color_matrix=None if lossless else "bt470bg",
        color_range=None if lossless else "tv",
    )


def _chunks(source: Source) -> dict[bytes, tuple[int, int]]:
    """Return place and length of each chunk, in order; none comes twice."""
    found: dict[bytes, tuple[int, int]] = {}
    position = 12
    while position < source.size_bytes:
        name, length = source.unpack("<4sI", position)
        if name in found or len(found) == _MAX_CHUNKS:
            raise NotPlain
        found[name] = position + 8, length
        position += 8 + length + length % 2
    if position != source.size_bytes:
        raise NotPlain
    return found


def _canvas(source: Source, start: int, length: int) -> tuple[int, int]:
    if length != 10:
        raise NotPlain
    sides = source.read(start + 4, 6)
    return int.from_bytes(sides[:3], "little") + 1, int.from_bytes(sides[3:], "little") + 1


def _vp8_size(source: Source, start: int, length: int) -> tuple[int, int]:
    tag, start_code, width, height, first = source.unpack("<3s3sHHB", start)
    bits = int.from_bytes(tag, "little")
    shown_keyframe = bits & 0x11 == 0x10
    if not shown_keyframe or bits >> 5 > length - 10 or start_code != _START_CODE:
        raise NotPlain
    if max(width, height) > _SIDE or first >= _CODED_FLAGS:
        raise NotPlain
    return width, height


def _vp8l_size(source: Source, start: int, length: int) -> tuple[int, int]:
    mark, bits = source.unpack("<BI", start)
    if length < 5 or mark != 0x2F or bits >> 29:
        raise NotPlain
    return (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1
