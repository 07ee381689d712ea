"""PNG: the chunks of a single picture (W3C PNG specification, third edition)."""

import struct
from dataclasses import dataclass, field
from typing import Final

from shardmill_worker.engine import tiff
from shardmill_worker.engine.orientation import OF_EXIF
from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.source import NotPlain, Source

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PIX_FMTS: Final = {
    (1, 0): "monob",
    **{(depth, 0): "gray" for depth in (2, 4, 8)},
    (16, 0): "gray16be",
    (8, 2): "rgb24",
    (16, 2): "rgb48be",
    **{(depth, 3): "pal8" for depth in (1, 2, 4, 8)},
    (8, 4): "ya8",
    (16, 4): "ya16be",
    (8, 6): "rgba",
    (16, 6): "rgba64be",
}
"""Bits a sample and colour type."""
_WITH_ALPHA: Final = {
    "gray": "ya8",
    "gray16be": "ya16be",
    "rgb24": "rgba",
    "rgb48be": "rgba64be",
    "pal8": "pal8",
}
"""What a transparent colour (tRNS) makes of a format."""
_GAMMAS: Final = ((45455, "bt470m"), (35714, "bt470bg"), (38462, "smpte428"), (100_000, "linear"))
"""gAMA, 100,000 times the exponent of the encoding, to the transfer curve."""
_GAMMA_TOLERANCE: Final = 100
_ODD: Final = frozenset({b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"cLLI"})
"""Chunks of animations, and of colours that libav alone interprets."""
_REPEATED: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"sPLT"})
"""Chunks that may come often."""
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""
_MAX_DEFLATION: Final = 1032
"""Deflate makes no data smaller than that fraction of it."""
_LENGTHS: Final = {
    b"IHDR": range(13, 14),
    b"PLTE": range(3, 769, 3),
    b"gAMA": range(4, 5),
    b"pHYs": range(9, 10),
    b"eXIf": range(1 << 16),
    b"iCCP": range(1 << 16),
}
"""Chunks whose bytes matter, and how many these may be."""
_MAX_CHUNKS: Final = 8192


@dataclass
class _Chunks:
    """What lies in a file."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    """Each chunk's bytes, empty for those that nobody looks at."""
    pixel_bytes: int = 0
    """Length of the compressed pixels."""


def read_png(source: Source) -> Picture:
    """Return what a PNG of one picture says.

    Raises:
        NotPlain: It may move, its pixels are not square, its colours are tagged in a rare way, or
            its chunks do not follow each other up to the end of the file.
    """
    chunks = _chunks(source)
    width, height, depth, colour, *methods = struct.unpack(">2I5B", chunks.kept[b"IHDR"])
    pix_fmt = _pix_fmt(depth, colour, chunks.kept)
    if methods not in ([0, 0, 0], [0, 0, 1]):
        raise NotPlain
    if _SAMPLES[colour] * depth * width * height // 8 > chunks.pixel_bytes * _MAX_DEFLATION:
        raise NotPlain
    across, down, _ = struct.unpack(">IIB", chunks.kept.get(b"pHYs", bytes(9)))
    if across != down:
        raise NotPlain
    return Picture(
        container="png_pipe",
        codec="png",
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        orientation=OF_EXIF[tiff.orientation(chunks.kept.get(b"eXIf", b""))],
        color_matrix="gbr",
        color_range="pc",
        color_transfer=_transfer(chunks.kept),
    )


def _pix_fmt(depth: int, colour: int, chunks: dict[bytes, bytes]) -> str:
    pix_fmt = _PIX_FMTS.get((depth, colour))
    if pix_fmt is not None and b"tRNS" in chunks:
        pix_fmt = _WITH_ALPHA.get(pix_fmt)
    if pix_fmt is None or (pix_fmt == "pal8" and b"PLTE" not in chunks):
        raise NotPlain
    return pix_fmt


def _chunks(source: Source) -> _Chunks:
    """Return what lies between IHDR and IEND; pixels in one run, most others once."""
    if source.read(0, len(_SIGNATURE)) != _SIGNATURE:
        raise NotPlain
    found = _Chunks()
    position, last = len(_SIGNATURE), b""
    for _ in range(_MAX_CHUNKS):
        length, name = source.unpack(">I4s", position)
        again = name in found.kept and name not in _REPEATED and not name == last == b"IDAT"
        if again or name in _ODD or (name == b"IHDR") != (not last):
            raise NotPlain
        if name in _LENGTHS and length not in _LENGTHS[name]:
            raise NotPlain
        found.kept[name] = source.read(position + 8, length) if name in _LENGTHS else b""
        found.pixel_bytes += length if name == b"IDAT" else 0
        position, last = position + length + 12, name
        if name == b"IEND":
            if position != source.size_bytes:
                raise NotPlain
            return found
    raise NotPlain


def _transfer(chunks: dict[bytes, bytes]) -> str | None:
    if b"iCCP" in chunks:
        _, named, method_and_profile = chunks[b"iCCP"].partition(b"\0")
        # A profile stands above other tags, but only if it is sound.
        if not named or method_and_profile[:1] != b"\0" or {b"gAMA", b"sRGB"} & chunks.keys():
            raise NotPlain
        return None
    if b"sRGB" in chunks:
        return "iec61966-2-1"
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big")
    return next((name for value, name in _GAMMAS if abs(gamma - value) < _GAMMA_TOLERANCE), None)
