"""What the heads of picture files say and libav does not pass on."""

import struct
from collections.abc import Mapping
from typing import Final, Literal

from shardmill_worker.engine.input_file import InputFile

_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_TIFF_HEAD_BYTES: Final = 8
_BIG_TIFFS: Final = (b"II+\0", b"MM\0+")
_WORDS: Final[Mapping[str, Literal["little", "big"]]] = {"<": "little", ">": "big"}
_COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SAMPLE_FORMAT, _DNG_VERSION = 259, 262, 277, 339, 50706
_YCBCR, _SIGNED, _FLOAT = 6, 2, 3
_TILES: Final = frozenset({322, 323, 324, 325})
_TIFF_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925})
"""None, CCITT, LZW, Deflate, PackBits; and LZMA, of which libav says itself whether it knows it."""
_MAX_ENTRIES: Final = 512
_MAX_EXIF_BYTES: Final = 1 << 20
_MAX_CHUNKS: Final = 1 << 16
_MAX_SEGMENTS: Final = 4096
_START_OF_SCAN: Final = 0xDA
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_WEBP_MOVES: Final = 0x02
_JPEG_XL_STARTS: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_WEBP_HEADER_BYTES: Final = 12
_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}


def tiff_orientation(tiff: bytes) -> int:
    """Return the orientation in a TIFF structure; 1, upright, if it holds no valid one."""
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(min(entries, _MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", tiff, directory + 2 + 12 * entry
            )
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:  # the structure ends before it says so
        return 1
    return 1


def unsupported_tiff(file: InputFile) -> str | None:
    """Return what libav cannot decode in a TIFF's first picture, None if it should decode all.

    libav takes tiles for strips, and knows neither JPEG inside nor numbers with a sign or a point:
    it gives a black or wrong picture and no error.  Tags as in TIFF 6.0, section 8, and its
    supplements.
    """
    head = file.pread(_TIFF_HEAD_BYTES, 0)
    if head[:4] in _BIG_TIFFS:
        return "with 64-bit offsets (BigTIFF)"
    order = _BYTE_ORDERS.get(head[:4])
    if order is None or len(head) < _TIFF_HEAD_BYTES:
        return None
    directory = file.pread(2 + 12 * _MAX_ENTRIES, struct.unpack_from(f"{order}I", head, 4)[0])
    tags: dict[int, int] = {}
    for entry in range(2, len(directory) - 11, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHII", directory, entry)
        if (entry - 2) // 12 >= int.from_bytes(directory[:2], _WORDS[order]):
            break
        short = struct.unpack_from(f"{order}H", directory, entry + 8)[0]
        tags.setdefault(tag, short if kind == _SHORT else value)
    return _against(tags)


def _against(tags: dict[int, int]) -> str | None:
    """Return what a TIFF's tags have that libav does not know."""
    compression, numbers = tags.get(_COMPRESSION, 1), tags.get(_SAMPLE_FORMAT, 1)
    lacks = (
        (tags.keys() & _TILES, "in tiles"),
        (compression in (6, 7), "with JPEG inside"),
        (compression not in _TIFF_COMPRESSIONS, f"with compression {compression}"),
        (tags.get(_PHOTOMETRIC) == _YCBCR, "in YCbCr"),
        (numbers == _SIGNED and tags.get(_SAMPLES, 1) == 1, "with signed numbers"),
        (numbers == _FLOAT and tags.get(_SAMPLES, 1) == 1, "with floating-point numbers"),
    )
    if _DNG_VERSION in tags:
        return None  # those have a decoder of their own
    return next((what for applies, what in lacks if applies), None)


def png_orientation(file: InputFile) -> int:
    """Return the orientation in a PNG file's ``eXIf`` chunk, 1 if there is none.

    Args:
        file: The open file.
    """
    position = len(_PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        head = file.pread(8, position)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return tiff_orientation(file.pread(min(length, _MAX_EXIF_BYTES), position + 8))
        position += length + 12
    return 1


def webp_orientation(file: InputFile) -> int:
    """Return the orientation in a WebP file's ``EXIF`` chunk, 1 if there is none.

    Many programs begin the chunk with the mark that Exif has in a JPEG, which libav refuses.

    Args:
        file: The open file.
    """
    position = _WEBP_HEADER_BYTES
    for _ in range(_MAX_CHUNKS):
        head = file.pread(8, position)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            block = file.pread(min(length, _MAX_EXIF_BYTES), position + 8)
            return tiff_orientation(block.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    return 1


def begins_as_jpeg(file: InputFile) -> bool:
    """Return whether a file is a JPEG up to its first scan, segment by segment (T.81, B.1.1)."""
    if file.pread(2, 0) != b"\xff\xd8":
        return False
    position = 2
    for _ in range(_MAX_SEGMENTS):
        head = file.pread(4, position)
        if len(head) < 4 or head[0] != 0xFF:
            return False
        if head[1] == 0xFF:  # a fill byte
            position += 1
        elif head[1] == _START_OF_SCAN:
            return True
        else:
            position += 2 + int.from_bytes(head[2:])
    return False


def png_size(file: InputFile) -> tuple[int, int] | None:
    """Return the width and height that a PNG file claims, None if it is none."""
    head = file.pread(24, 0)
    if len(head) < 24 or not head.startswith(_PNG_SIGNATURE) or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def is_apple_png(file: InputFile) -> bool:
    """Return whether a file is a PNG as Apple's tools rewrite them for telephones."""
    head = file.pread(16, 0)
    return head.startswith(_PNG_SIGNATURE) and head[12:16] == b"CgBI"


def is_animated_webp(file: InputFile) -> bool:
    """Return whether a file is a WebP of several pictures."""
    head = file.pread(21, 0)
    return head[:4] + head[8:16] == b"RIFFWEBPVP8X" and any(b & _WEBP_MOVES for b in head[20:])


def is_jpeg_xl(file: InputFile) -> bool:
    """Return whether a file is a JPEG XL, bare or in its container."""
    return file.pread(12, 0).startswith(_JPEG_XL_STARTS)
