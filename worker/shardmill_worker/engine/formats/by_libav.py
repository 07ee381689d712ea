"""Formats that libav alone reads: what their bytes say that it does not pass on or takes long over.

Animations are videos, and the pictures of an icon or a HEIF file are streams of their own: these
are not counted here.
"""

import re
import struct
from collections.abc import Callable, Mapping
from math import prod
from typing import Final

from shardmill.contract.location.archive import Pread
from shardmill_worker.engine.formats.jpeg import pages_of_jpeg
from shardmill_worker.engine.formats.pnm import pages_of_pnm
from shardmill_worker.engine.formats.tiff import pages_of_tiff

_END_OF_CODESTREAM: Final = b"\xff\xd9"
_TAIL_BYTES: Final = 1 << 16
_TGA: Final = struct.Struct("<3B5x4x2HB")
_TGA_DEPTHS: Final = {
    **dict.fromkeys((1, 9), (8, 16)),
    **dict.fromkeys((2, 10), (15, 16, 24, 32)),
    **dict.fromkeys((3, 11), (8, 16)),
}
"""Bits a pixel by image type: with a palette, of true colours, grey; packed ones from 9 on."""
_WITH_PALETTE: Final = (1, 9)


def is_whole_jpeg_2000(size_bytes: int, pread: Pread) -> bool:
    """Return whether a codestream ends in the last bytes of a file (ISO/IEC 15444-1, A.4.4).

    Coded pictures never hold the mark (B.10.1).
    """
    length = min(size_bytes, _TAIL_BYTES)
    return _END_OF_CODESTREAM in pread(length, size_bytes - length)


def begins_as_tga(head: bytes) -> bool:
    """Return whether a file may be a TGA, which has no mark (TGA specification 2.0, C.3)."""
    if len(head) < _TGA.size:
        return False
    _, has_palette, kind, width, height, depth = _TGA.unpack_from(head)
    fits = has_palette == 1 if kind in _WITH_PALETTE else has_palette <= 1
    return fits and depth in _TGA_DEPTHS.get(kind, ()) and width > 0 < height


_MAX_PAGES: Final = 1 << 16


def pages_in(size_bytes: int, pread: Pread, codec_name: str) -> int | None:
    """Return the number of pictures if it is more than one, else None.

    Args:
        size_bytes: Size of the file.
        pread: Returns at most so many bytes from an offset.
        codec_name: That of its pictures, as FFmpeg names it.
    """
    count = _COUNTERS.get(codec_name)
    found = 1 if count is None else count(size_bytes, pread)
    return found if found > 1 else None


_FITS_BLOCK_BYTES: Final = 2880
_FITS_CARD: Final = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= *(-?\d{1,18})(?: |/|$)")
_FITS_MAX_BLOCKS: Final = 256


def _pages_of_fits(size_bytes: int, pread: Pread) -> int:
    """Count the header and data units that hold pictures (FITS standard 4.0, 3.3 and 4.4.1)."""
    position, count = 0, 0
    for _ in range(_MAX_PAGES):
        header = _fits_header(pread, position)
        if not header:
            break
        cards = [header[at : at + 80] for at in range(0, len(header), 80)]
        found = [match for card in cards if (match := _FITS_CARD.match(card))]
        said = {match[1].decode(): int(match[2]) for match in found}
        axes = [said.get(f"NAXIS{n}", 0) for n in range(1, min(said.get("NAXIS", 0), 999) + 1)]
        is_image = header.startswith((b"SIMPLE", b"XTENSION= 'IMAGE"))
        count += is_image and len(axes) > 1 and all(axes)
        samples = said.get("PCOUNT", 0) + (prod(axes) if axes else 0)
        data_bytes = abs(said.get("BITPIX", 8)) // 8 * said.get("GCOUNT", 1) * samples
        position += len(header) + -(-data_bytes // _FITS_BLOCK_BYTES) * _FITS_BLOCK_BYTES
        if data_bytes < 0 or position >= size_bytes:
            break
    return count


def _fits_header(pread: Pread, position: int) -> bytes:
    """Return the blocks up to the card END, empty if there is none."""
    header = b""
    for _ in range(_FITS_MAX_BLOCKS):
        block = pread(_FITS_BLOCK_BYTES, position + len(header))
        if len(block) < _FITS_BLOCK_BYTES:
            return b""
        header += block
        if any(block[at : at + 8] == b"END     " for at in range(0, _FITS_BLOCK_BYTES, 80)):
            return header
    return b""


_DDS_CUBE_MAP, _DDS_VOLUME, _DDS_FACES = 0x200, 0x200000, 0xFC00


def _pages_of_dds(_size_bytes: int, pread: Pread) -> int:
    """Count faces, slices and elements (Microsoft's DDS_HEADER and DDS_HEADER_DXT10)."""
    head = pread(148, 0).ljust(148, b"\0")
    (depth,), (caps,) = struct.unpack_from("<I", head, 24), struct.unpack_from("<I", head, 112)
    pictures = 1
    if caps & _DDS_CUBE_MAP:
        pictures = (caps & _DDS_FACES).bit_count()
    elif caps & _DDS_VOLUME:
        pictures = depth
    if head[84:88] == b"DX10":
        flags, elements = struct.unpack_from("<2I", head, 136)
        pictures = elements * (6 if flags & 4 else pictures)
    return min(pictures, _MAX_PAGES)


_COUNTERS: Final[Mapping[str, Callable[[int, Pread], int]]] = {
    "tiff": pages_of_tiff,
    "mjpeg": pages_of_jpeg,
    "pbm": pages_of_pnm,
    "pgm": pages_of_pnm,
    "ppm": pages_of_pnm,
    "fits": _pages_of_fits,
    "dds": _pages_of_dds,
}
"""FFmpeg's name of a codec to what counts its pictures."""
