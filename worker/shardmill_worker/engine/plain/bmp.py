"""BMP: uncompressed pictures with the header of Windows 3 (BITMAPINFOHEADER)."""

from typing import Final

from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.source import NotPlain, Source

_FILE_HEADER_BYTES: Final = 14
_INFO_HEADER_BYTES: Final = 40
_UNCOMPRESSED: Final = 0
_PIX_FMTS: Final = {1: "pal8", 4: "pal8", 8: "pal8", 24: "bgr24"}
"""Bits a pixel; whether 32 of them hold transparency, only the pixels tell."""


def read_bmp(source: Source) -> Picture:
    """Return what a BMP says.

    Raises:
        NotPlain: It is compressed, of a rare kind, or not as long as its header says.
    """
    size, start, info, width, height, planes, bits, compression, colours = source.unpack(
        "<2xI4xIIiiHHI12xI", 0
    )
    pix_fmt = _PIX_FMTS.get(bits)
    if pix_fmt is None or (info, planes, compression) != (_INFO_HEADER_BYTES, 1, _UNCOMPRESSED):
        raise NotPlain
    if width <= 0 or size != source.size_bytes:
        raise NotPlain
    row_bytes = (width * bits + 31) // 32 * 4
    palette_bytes = 4 * (colours or 1 << bits) if pix_fmt == "pal8" else 0
    pixels = _FILE_HEADER_BYTES + _INFO_HEADER_BYTES + palette_bytes
    if palette_bytes > 4 << bits or start < pixels or start + row_bytes * abs(height) > size:
        raise NotPlain
    return Picture(
        container="bmp_pipe", codec="bmp", width=width, height=abs(height), pix_fmt=pix_fmt
    )
