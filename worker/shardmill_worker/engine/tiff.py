"""What the directories of a TIFF say and libav does not pass on (TIFF 6.0, section 2)."""

import struct
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from shardmill_worker.engine.input_file import InputFile

BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
"""First four bytes to the order that ``struct`` knows."""
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3
_HEAD_BYTES: Final = 8
_BIG_TIFFS: Final = (b"II+\0", b"MM\0+")
_WORDS: Final[Mapping[str, Literal["little", "big"]]] = {"<": "little", ">": "big"}
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SAMPLE_FORMAT = 254, 259, 262, 277, 339
_DNG_VERSION: Final = 50706
_YCBCR, _SIGNED, _FLOAT = 6, 2, 3
_NO_PAGE: Final = 0b101
"""Bits of NewSubfileType: a reduced version, a mask."""
_TILES: Final = frozenset({322, 323, 324, 325})
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925})
"""None, CCITT, LZW, Deflate, PackBits; and LZMA, of which libav says itself whether it knows it."""
_MAX_ENTRIES: Final = 512
_MAX_DIRECTORIES: Final = 1 << 16


def orientation(tiff: bytes) -> int:
    """Return the orientation in a TIFF structure; 1, upright, if it holds no valid one."""
    order = BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(min(entries, _MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", tiff, directory + 2 + 12 * entry
            )
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:  # the structure ends before it says so
        return 1
    return 1


def unsupported(file: InputFile) -> str | None:
    """Return what libav cannot decode in a TIFF's first picture, None if it should decode all.

    libav takes tiles for strips, and knows neither JPEG inside nor numbers with a sign or a point:
    it gives a black or wrong picture and no error.  Tags as in TIFF 6.0, section 8, and its
    supplements.
    """
    if file.pread(4, 0) in _BIG_TIFFS:
        return "with 64-bit offsets (BigTIFF)"
    tags = next(_directories(file), None)
    return None if tags is None else _against(tags)


def pages(file: InputFile) -> int:
    """Return how many pictures a TIFF holds, reduced versions and masks not counted."""
    return sum(not tags.get(_SUBFILE, 0) & _NO_PAGE for tags in _directories(file))


def _directories(file: InputFile) -> Iterator[dict[int, int]]:
    """Yield each directory's tags with their values, or the offsets of these."""
    head = file.pread(_HEAD_BYTES, 0)
    order = BYTE_ORDERS.get(head[:4])
    if order is None or len(head) < _HEAD_BYTES:
        return
    (position,) = struct.unpack_from(f"{order}I", head, 4)
    seen: set[int] = set()
    while position and position not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(position)
        entries = int.from_bytes(file.pread(2, position), _WORDS[order])
        body = file.pread(12 * min(entries, _MAX_ENTRIES), position + 2)
        if not body:
            return
        yield _tags(body, order)
        following = file.pread(4, position + 2 + 12 * entries)
        position = int.from_bytes(following, _WORDS[order])


def _tags(body: bytes, order: str) -> dict[int, int]:
    tags: dict[int, int] = {}
    for entry in range(0, len(body) - 11, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHII", body, entry)
        short = struct.unpack_from(f"{order}H", body, entry + 8)[0]
        tags.setdefault(tag, short if kind == _SHORT else value)
    return tags


def _against(tags: dict[int, int]) -> str | None:
    """Return what a TIFF's tags have that libav does not know."""
    compression, numbers = tags.get(_COMPRESSION, 1), tags.get(_SAMPLE_FORMAT, 1)
    lacks = (
        (tags.keys() & _TILES, "in tiles"),
        (compression in (6, 7), "with JPEG inside"),
        (compression not in _COMPRESSIONS, f"with compression {compression}"),
        (tags.get(_PHOTOMETRIC) == _YCBCR, "in YCbCr"),
        (numbers == _SIGNED and tags.get(_SAMPLES, 1) == 1, "with signed numbers"),
        (numbers == _FLOAT and tags.get(_SAMPLES, 1) == 1, "with floating-point numbers"),
    )
    if _DNG_VERSION in tags:
        return None  # those have a decoder of their own
    return next((what for applies, what in lacks if applies), None)
