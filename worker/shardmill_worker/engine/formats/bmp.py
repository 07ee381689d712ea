"""BMP: headers of Windows and OS/2 (BITMAPFILEHEADER, BITMAPINFOHEADER and its successors).

What a header says is what ``libavcodec/bmp.c`` makes of it.
"""

import struct
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.look import Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav

_FILE_HEADER_BYTES: Final = 14
_OLD_INFO_BYTES: Final = 12
"""Header of OS/2 1, with sides of 16 bits."""
_INFO_BYTES: Final = frozenset({40, 56, 64, 108, 124})
_MASKED_INFO_BYTES: Final = 40
"""Only a longer header has a mask of the transparency."""
_PLAIN, _RLE_8, _RLE_4, _MASKED = range(4)
_RLE_DEPTHS: Final = {_RLE_8: 8, _RLE_4: 4}
_MASKS_AT: Final = 54
_MASKS_OF_16: Final = {
    (0xF800, 0x07E0, 0x001F): "rgb565le",
    (0x7C00, 0x03E0, 0x001F): "rgb555le",
    (0x0F00, 0x00F0, 0x000F): "rgb444le",
}
_MASKS_OF_32: Final = {
    (0xFF000000, 0x00FF0000, 0x0000FF00, False): "0bgr",
    (0xFF000000, 0x00FF0000, 0x0000FF00, True): "abgr",
    (0x00FF0000, 0x0000FF00, 0x000000FF, False): "bgr0",
    (0x00FF0000, 0x0000FF00, 0x000000FF, True): "bgra",
    (0x0000FF00, 0x00FF0000, 0xFF000000, False): "0rgb",
    (0x0000FF00, 0x00FF0000, 0xFF000000, True): "argb",
    (0x000000FF, 0x0000FF00, 0x00FF0000, False): "rgb0",
    (0x000000FF, 0x0000FF00, 0x00FF0000, True): "rgba",
}
"""Masks of red, green and blue, and whether there is one of the transparency, to the format."""
_LONGEST_BYTES: Final = _FILE_HEADER_BYTES + 124
_PIECE_BYTES: Final = 1 << 20


class _Header(Struct, frozen=True):
    """What stands in front of the palette."""

    size_bytes: int
    """Size of the file, as it claims."""
    start: int
    """Where the pixels begin."""
    info_bytes: int
    """Size of the second header, which tells the kinds apart."""
    width: int
    height: int
    """Negative for rows from the top down."""
    depth: int
    """Bits a pixel."""
    compression: int
    masks: tuple[int, int, int, int]
    """Bits of red, green, blue and transparency."""

    @property
    def palette_bytes(self) -> int:
        """Room between the headers and the pixels."""
        return self.start - self.info_bytes - _FILE_HEADER_BYTES


def read_bmp(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a BMP says.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It is rare or odd.
        TooLarge: It claims too many pixels.
    """
    header = _header(head)
    pix_fmt = _PIX_FMTS[header.depth](header, head)
    if header.compression in _RLE_DEPTHS:
        if header.size_bytes > size_bytes:  # only decoding tells where the last row ends
            raise OnlyLibav
    else:
        row_bytes = (header.width * header.depth + 31) // 32 * 4
        end = header.start + row_bytes * abs(header.height)
        if size_bytes < end <= header.size_bytes:
            raise Corrupt(
                f"The file is cut off: expected at least {end:,} bytes, found {size_bytes:,}."
            )
        if max(end, header.size_bytes) > size_bytes:  # the header lies about something
            raise OnlyLibav
        if pix_fmt == "bgra" and not _is_transparent(header.start, end, pread):
            pix_fmt = "bgr0"
    size = header.width, abs(header.height)
    return facts_of_look(Look(container="bmp_pipe", codec="bmp", size=size, pix_fmt=pix_fmt))


def _header(head: bytes) -> _Header:
    """Return the headers of a file that begins so.

    Raises:
        OnlyLibav: They are odd.
    """
    size, start, info = struct.unpack_from("<I4xII", head.ljust(_LONGEST_BYTES, b"\0"), 2)
    if len(head) < _FILE_HEADER_BYTES + info:
        raise OnlyLibav
    compression, masks = _PLAIN, (0, 0, 0, 0)
    if info == _OLD_INFO_BYTES:
        width, height, planes, depth = struct.unpack_from("<4H", head, 18)
    elif info in _INFO_BYTES:
        width, height, planes, depth, compression = struct.unpack_from("<iiHHI", head, 18)
        masks = struct.unpack_from("<4I", head.ljust(_LONGEST_BYTES, b"\0"), _MASKS_AT)
    else:
        raise OnlyLibav
    is_known = depth in _PIX_FMTS and depth == _RLE_DEPTHS.get(compression, depth)
    if width <= 0 or planes != 1 or compression > _MASKED or not is_known:
        raise OnlyLibav
    header = _Header(size, start, info, width, height, depth, compression, masks)
    if header.palette_bytes < 0 or size <= start:
        raise OnlyLibav
    return header


def _with_palette(header: _Header, head: bytes) -> str:
    """Return the format of pixels of 1, 4 or 8 bits; grey needs no palette."""
    if header.compression == _MASKED or not (header.palette_bytes or header.depth == 8):
        raise OnlyLibav
    if not header.palette_bytes:
        return "gray"
    colours = 1 << header.depth
    if header.info_bytes == _OLD_INFO_BYTES:
        colours = min(256, header.palette_bytes // 3)
    else:
        (claimed,) = struct.unpack_from("<i", head, 46)
        colours = claimed if 0 < claimed <= colours else colours
    if header.palette_bytes < 3 * colours:
        raise OnlyLibav
    return "pal8"


def _of_16(header: _Header, _head: bytes) -> str:
    if header.compression == _PLAIN:
        return "rgb555le"
    return _known(_MASKS_OF_16.get(header.masks[:3]))


def _of_24(header: _Header, _head: bytes) -> str:
    return _known("bgr24" if header.compression == _PLAIN else None)


def _of_32(header: _Header, _head: bytes) -> str:
    if header.compression == _PLAIN:
        return "bgra"
    has_alpha = header.info_bytes > _MASKED_INFO_BYTES and header.masks[3] != 0
    return _known(_MASKS_OF_32.get((*header.masks[:3], has_alpha)))


def _known(pix_fmt: str | None) -> str:
    if pix_fmt is None:
        raise OnlyLibav
    return pix_fmt


_PIX_FMTS: Final[dict[int, Callable[[_Header, bytes], str]]] = {
    1: _with_palette,
    4: _with_palette,
    8: _with_palette,
    16: _of_16,
    24: _of_24,
    32: _of_32,
}
"""By bits a pixel, what returns the pixel format of headers and first bytes of a file."""


def _is_transparent(start: int, end: int, pread: Pread) -> bool:
    """Return whether a pixel of four bytes has a fourth that is not 0; most begin with one."""
    while start < end:
        piece = pread(min(_PIECE_BYTES, end - start), start)
        if not piece or piece[3::4].strip(b"\0"):
            return True
        start += len(piece)
    return False
