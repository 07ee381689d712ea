"""How many pictures a file of still pictures holds, of which libav gives the first.

Animations are videos, and the pictures of an icon or a HEIF file are streams of their own: these
are not counted here.
"""

import re
import struct
from collections.abc import Callable, Mapping
from math import prod
from typing import Final

from shardmill_worker.engine import tiff
from shardmill_worker.engine.input_file import InputFile

_MAX_PAGES: Final = 1 << 16


def pages_in(file: InputFile, codec_name: str) -> int | None:
    """Return the number of pictures if it is more than one, else None.

    Args:
        file: The open file.
        codec_name: That of its pictures, as FFmpeg names it.
    """
    count = _COUNTERS.get(codec_name)
    found = 1 if count is None else count(file)
    return found if found > 1 else None


_MAX_SEGMENTS: Final = 256
_APP2, _START_OF_SCAN = b"\xff\xe2", b"\xff\xda"
_MP_ENTRIES: Final = 0xB002
_MP_ENTRY_BYTES: Final = 16
_VIEWS: Final = frozenset({0x030000, 0x020001, 0x020002, 0x020003})
"""Primary picture, panorama, disparity and multi-angle: no thumbnails, no gain maps."""


def _pages_of_jpeg(file: InputFile) -> int:
    """Count the views of a Multi-Picture file (CIPA DC-007, 5.2.3)."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, length, mark = struct.unpack(">2sH4s", file.pread(8, position).ljust(8, b"\0"))
        if marker == _APP2 and mark == b"MPF\0":
            return _views(file.pread(length - 6, position + 8))
        if marker[:1] != b"\xff" or marker == _START_OF_SCAN:
            return 1
        position += 2 + length
    return 1


def _views(index: bytes) -> int:
    order = tiff.BYTE_ORDERS.get(index[:4])
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


_PNM: Final = re.compile(
    rb"P([456])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})"
    rb"(?:(?:\s|#[^\n]*\n)+(\d{1,5}))?\s"
)
"""Header of a binary PBM, PGM or PPM: kind, width, height and, but for a PBM, the largest value."""
_PNM_HEADER_BYTES: Final = 1024


def _pages_of_pnm(file: InputFile) -> int:
    """Count pictures that follow each other (Netpbm's ``ppm(5)``); text has no places to look."""
    position, count = 0, 0
    while count < _MAX_PAGES:
        head = _PNM.match(file.pread(_PNM_HEADER_BYTES, position))
        if head is None:
            break
        kind, width, height = (int(number) for number in head.group(1, 2, 3))
        if kind == 4:
            begin, size_bytes = head.end(3) + 1, -(-width // 8) * height
        else:
            deep = int(head[4] or 255) > 255
            begin, size_bytes = head.end(), width * height * (3 if kind == 6 else 1) * (1 + deep)
        position += begin + size_bytes
        if position > file.size_bytes:
            break
        count += 1
    return count


_FITS_BLOCK_BYTES: Final = 2880
_FITS_CARD: Final = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= *(-?\d{1,18})(?: |/|$)")
_FITS_MAX_BLOCKS: Final = 256


def _pages_of_fits(file: InputFile) -> int:
    """Count the header and data units that hold pictures (FITS standard 4.0, 3.3 and 4.4.1)."""
    position, count = 0, 0
    for _ in range(_MAX_PAGES):
        header = _fits_header(file, position)
        if not header:
            break
        cards = [header[at : at + 80] for at in range(0, len(header), 80)]
        found = [match for card in cards if (match := _FITS_CARD.match(card))]
        said = {match[1].decode(): int(match[2]) for match in found}
        axes = [said.get(f"NAXIS{n}", 0) for n in range(1, min(said.get("NAXIS", 0), 999) + 1)]
        is_image = header.startswith((b"SIMPLE", b"XTENSION= 'IMAGE"))
        count += is_image and len(axes) > 1 and all(axes)
        samples = said.get("PCOUNT", 0) + (prod(axes) if axes else 0)
        size_bytes = abs(said.get("BITPIX", 8)) // 8 * said.get("GCOUNT", 1) * samples
        position += len(header) + -(-size_bytes // _FITS_BLOCK_BYTES) * _FITS_BLOCK_BYTES
        if size_bytes < 0 or position >= file.size_bytes:
            break
    return count


def _fits_header(file: InputFile, position: int) -> bytes:
    """Return the blocks up to the card END, empty if there is none."""
    header = b""
    for _ in range(_FITS_MAX_BLOCKS):
        block = file.pread(_FITS_BLOCK_BYTES, position + len(header))
        if len(block) < _FITS_BLOCK_BYTES:
            return b""
        header += block
        if any(block[at : at + 8] == b"END     " for at in range(0, _FITS_BLOCK_BYTES, 80)):
            return header
    return b""


_DDS_CUBE_MAP, _DDS_VOLUME, _DDS_FACES = 0x200, 0x200000, 0xFC00


def _pages_of_dds(file: InputFile) -> int:
    """Count faces, slices and elements (Microsoft's DDS_HEADER and DDS_HEADER_DXT10)."""
    head = file.pread(148, 0).ljust(148, b"\0")
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


_COUNTERS: Final[Mapping[str, Callable[[InputFile], int]]] = {
    "tiff": tiff.pages,
    "mjpeg": _pages_of_jpeg,
    "pbm": _pages_of_pnm,
    "pgm": _pages_of_pnm,
    "ppm": _pages_of_pnm,
    "fits": _pages_of_fits,
    "dds": _pages_of_dds,
}
"""FFmpeg's name of a codec to what counts its pictures."""
