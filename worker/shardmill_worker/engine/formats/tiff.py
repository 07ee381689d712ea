"""TIFF: directories, what they say of the first picture, and what libav cannot decode (TIFF 6.0).

What a header says is what ``libavcodec/tiff.c`` makes of it.
"""

import struct
from collections.abc import Iterator
from math import gcd
from operator import add
from typing import Final, Literal

from msgspec import Struct

from shardmill.contract.errors import Corrupt, Unsupported
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.exif import BYTE_ORDERS, checked_orientation
from shardmill_worker.engine.formats.look import Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav, bytes_at

_BIG_TIFFS: Final = (b"II+\0", b"MM\0+")
_BYTE, _SHORT, _LONG, _RATIONAL = 1, 3, 4, 5
_SIZES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
"""Bytes a value, by type."""
_NUMBERS: Final = {_BYTE: "B", _SHORT: "H", _LONG: "I"}
_MAX_ENTRIES: Final = 512
_MAX_DIRECTORIES: Final = 1 << 16
_MAX_STRIPS: Final = 1 << 18
_WINDOW_BYTES: Final = 1024
_ENTRY_BYTES: Final = 12

_SUBFILE, _WIDTH, _HEIGHT, _DEPTHS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _LENGTHS = 273, 274, 277, 278, 279
_ACROSS, _DOWN, _PLANAR, _PALETTE, _SAMPLE_FORMAT = 282, 283, 284, 320, 339
_GREY_CURVE, _CFA_PATTERN, _DNG_VERSION = 291, 33422, 50706
_TILES: Final = frozenset({322, 323, 324, 325})
_ODD: Final = frozenset({_GREY_CURVE, _CFA_PATTERN, _DNG_VERSION, *range(51043, 51110)})
"""Tags of raw pictures of cameras, which libav handles in a way of their own."""
_SINGLE: Final = frozenset(
    {_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS, _PLANAR}
)
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925})
"""None, CCITT, LZW, Deflate, PackBits; and LZMA, of which libav says itself whether it knows it."""
_BLACK_IS_ZERO, _SEPARATED, _YCBCR = 1, 5, 6
_NO_NUMBER: Final = -1
_PHOTOMETRICS: Final = frozenset({_NO_NUMBER, 0, _BLACK_IS_ZERO, 2, 3, _SEPARATED})
_TRANSFERS: Final = {_BLACK_IS_ZERO: "bt470m"}
"""Photometric interpretation to the transfer curve that libav takes it for."""
_PLANES: Final = 2
_MAX_SAMPLES: Final = 5
_MAX_SIDE: Final = 2**31 - 1
_MAX_RATIO: Final = 2**31 - 1
_SIGNED, _FLOAT = 2, 3
_NO_PAGE: Final = 0b101
"""Bits of NewSubfileType: a reduced version, a mask."""
_PIX_FMTS: Final = {
    (False, 1, 1): "monob",
    (False, 2, 1): "pal8",
    (False, 4, 1): "pal8",
    (False, 8, 1): "gray",
    (False, 12, 1): "gray12le",
    (False, 16, 1): "gray16",
    (False, 16, 2): "ya8",
    (False, 32, 2): "ya16",
    (False, 24, 3): "rgb24",
    (False, 48, 3): "rgb48",
    (False, 96, 3): "rgbf32",
    (False, 32, 4): "rgba",
    (False, 64, 4): "rgba64",
    (False, 128, 4): "rgbaf32",
    (True, 24, 3): "gbrp",
    (True, 48, 3): "gbrp16",
    (True, 96, 3): "gbrpf32",
    (True, 32, 4): "gbrap",
    (True, 64, 4): "gbrap16",
    (True, 128, 4): "gbrapf32",
}
"""Format by planes of their own, bits a pixel and samples a pixel; without its byte order."""
_SEPARATED_PIX_FMTS: Final = {(False, 32, 4): "rgb0", (False, 40, 5): "rgba"}
"""The same for cyan, magenta, yellow and black."""
_WITH_BYTE_ORDER: Final = ("16", "48", "64", "32")


class Entry(Struct, frozen=True):
    """One field of a directory."""

    kind: int
    """Type of its values."""
    count: int
    """Number of its values."""
    value: int
    """Its value if that is one number of four bytes, else where its values lie."""
    short: int
    """Its first value if that has two bytes."""
    at: int
    """Where in the file its value, or the place of its values, stands."""


class Directory(Struct, frozen=True):
    """The fields of one picture."""

    order: str
    """Byte order, as ``struct`` knows it."""
    entries: dict[int, Entry]
    """By tag, in the order of the file; the first of those with one tag."""
    ascends: bool
    """Whether the tags come in ascending order, as they must."""

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a field, or a default."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        if entry.kind == _BYTE:
            return entry.short >> 8 if self.order == ">" else entry.short & 0xFF
        return entry.short if entry.kind == _SHORT else entry.value

    def numbers(self, tag: int, pread: Pread) -> tuple[int, ...]:
        """Return all values of a field of whole numbers; none if it is absent, odd or endless."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _NUMBERS or entry.count > _MAX_STRIPS:
            return ()
        size = _SIZES[entry.kind] * entry.count
        data = pread(size, entry.at if size <= 4 else entry.value)
        if len(data) < size:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{_NUMBERS[entry.kind]}", data)


def directories(head: bytes, pread: Pread) -> Iterator[Directory]:
    """Yield each directory of a file, none if it is no TIFF."""
    order = BYTE_ORDERS.get(head[:4])
    if order is None or len(head) < 8:
        return
    endian: Literal["little", "big"] = "little" if order == "<" else "big"
    position = int.from_bytes(head[4:8], endian)
    seen: set[int] = set()
    while position and position not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(position)
        window = bytes_at(head, position, _WINDOW_BYTES, pread)
        count = int.from_bytes(window[:2], endian)
        end = 2 + _ENTRY_BYTES * count
        if len(window) < end + 4:
            window = pread(2 + _ENTRY_BYTES * min(count, _MAX_ENTRIES), position)
            following = pread(4, position + end)
        else:
            following = window[end : end + 4]
        if not count or len(window) < 2 + _ENTRY_BYTES:
            return
        yield _directory(window[2:end], order, position + 2)
        position = int.from_bytes(following, endian)


def _directory(body: bytes, order: str, start: int) -> Directory:
    entries: dict[int, Entry] = {}
    last, ascends = -1, True
    whole = len(body) // _ENTRY_BYTES * _ENTRY_BYTES
    for at, (tag, kind, count, value) in enumerate(
        struct.iter_unpack(f"{order}HHII", body[:whole])
    ):
        place = _ENTRY_BYTES * at + 8
        (short,) = struct.unpack_from(f"{order}H", body, place)
        entries.setdefault(tag, Entry(kind, count, value, short, start + place))
        ascends = ascends and tag > last
        last = tag if tag != _LENGTHS else last
    return Directory(order, entries, ascends)


def refuse_tiff(head: bytes, pread: Pread) -> None:
    """Raise for a TIFF of which libav makes a black or wrong picture and no error.

    libav takes tiles for strips, and knows neither JPEG inside nor numbers with a sign or a point.
    Tags as in TIFF 6.0, section 8, and its supplements.

    Raises:
        Unsupported: That is so.
    """
    _refuse(head, next(directories(head, pread), None))


def _refuse(head: bytes, first: Directory | None) -> None:
    reason = "with 64-bit offsets (BigTIFF)" if head.startswith(_BIG_TIFFS) else None
    if first is not None:
        reason = _against(first)
    if reason is not None:
        raise Unsupported(f"The file is a TIFF {reason}, which FFmpeg cannot decode.")


def _against(directory: Directory) -> str | None:
    """Return what a TIFF's first directory has that libav does not know."""
    compression = directory.number(_COMPRESSION, 1)
    numbers = directory.number(_SAMPLE_FORMAT, 1)
    is_single = directory.number(_SAMPLES, 1) == 1
    lacks = (
        (directory.entries.keys() & _TILES, "in tiles"),
        (compression in (6, 7), "with JPEG inside"),
        (compression not in _COMPRESSIONS, f"with compression {compression}"),
        (directory.number(_PHOTOMETRIC, _NO_NUMBER) == _YCBCR, "in YCbCr"),
        (numbers == _SIGNED and is_single, "with signed numbers"),
        (numbers == _FLOAT and is_single, "with floating-point numbers"),
    )
    if _DNG_VERSION in directory.entries:
        return None  # those have a decoder of their own
    return next((what for applies, what in lacks if applies), None)


def pages_of_tiff(_size_bytes: int, pread: Pread) -> int:
    """Return how many pictures a TIFF holds, reduced versions and masks not counted."""
    return _pages(directories(pread(_WINDOW_BYTES, 0), pread))


def _pages(found: Iterator[Directory]) -> int:
    return sum(not directory.number(_SUBFILE, 0) & _NO_PAGE for directory in found)


def read_tiff(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a TIFF says of its first picture.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It is rare or odd.
        TooLarge: It claims too many pixels.
        Unsupported: libav would make a wrong picture of it.
    """
    found = directories(head, pread)
    directory = next(found, None)
    _refuse(head, directory)
    if directory is None or not _is_usual(directory, size_bytes):
        raise OnlyLibav
    width, height = directory.number(_WIDTH, 0), directory.number(_HEIGHT, 0)
    if max(width, height) > _MAX_SIDE:
        raise OnlyLibav
    look = Look(
        container="tiff_pipe",
        codec="tiff",
        size=(width, height),
        pix_fmt=_pix_fmt(directory, pread),
        orientation=_turn(directory, size_bytes, pread),
        aspect=_aspect(directory, pread),
        color_transfer=_TRANSFERS.get(directory.number(_PHOTOMETRIC, _NO_NUMBER)),
        pages=1 + _pages(found),
    )
    facts = facts_of_look(look)
    _expect_strips(directory, height, size_bytes, pread)
    return facts


def _turn(directory: Directory, size_bytes: int, pread: Pread) -> int:
    if directory.number(_ORIENTATION, 1) == 1:
        return 1
    found = checked_orientation(pread, size_bytes)
    if found is None:
        raise OnlyLibav
    return found


def _is_usual(directory: Directory, size_bytes: int) -> bool:
    """Return whether a directory is that of a plain picture and all its values lie in the file."""
    if not directory.ascends or directory.entries.keys() & _ODD or directory.number(_SUBFILE, 0):
        return False
    for tag, entry in directory.entries.items():
        if not 0 < entry.kind < len(_SIZES):
            return False
        if tag in _SINGLE and (entry.count != 1 or entry.kind not in _NUMBERS):
            return False
        size = _SIZES[entry.kind] * entry.count
        if size > 4 and entry.value + size > size_bytes:
            return False
    return True


def _pix_fmt(directory: Directory, pread: Pread) -> str:
    """Return the pixel format that ``init_image`` chooses.

    Raises:
        OnlyLibav: It chooses none.
    """
    depths = directory.numbers(_DEPTHS, pread) if _DEPTHS in directory.entries else (1,)
    photometric = directory.number(_PHOTOMETRIC, _NO_NUMBER)
    if not 0 < len(depths) <= _MAX_SAMPLES or photometric not in _PHOTOMETRICS:
        raise OnlyLibav
    bits, samples = sum(depths), directory.number(_SAMPLES, len(depths))
    if len(depths) == 1:
        bits *= samples
    kind = (directory.number(_PLANAR, 1) == _PLANES, bits, samples)
    name = _SEPARATED_PIX_FMTS.get(kind) if photometric == _SEPARATED else None
    name = name or _PIX_FMTS.get(kind)
    if name is None:
        raise OnlyLibav
    if _PALETTE in directory.entries and name in ("monob", "gray"):
        return "pal8"
    if not name.endswith(_WITH_BYTE_ORDER):
        return name
    return f"{name}{'le' if directory.order == '<' else 'be'}"


def _aspect(directory: Directory, pread: Pread) -> tuple[int, int]:
    """Return width and height of a pixel, from the densities.

    Raises:
        OnlyLibav: These are odd.
    """
    if not directory.entries.keys() >= {_ACROSS, _DOWN}:
        return (1, 1)
    densities = []
    for entry in (directory.entries[_ACROSS], directory.entries[_DOWN]):
        if (entry.kind, entry.count) != (_RATIONAL, 1):
            raise OnlyLibav
        densities.append(struct.unpack(f"{directory.order}II", pread(8, entry.value)))
    (across, across_by), (down, down_by) = densities
    width, height = down * (across_by or 1), across * (down_by or 1)
    if max(width, height) // (gcd(width, height) or 1) > _MAX_RATIO:
        raise OnlyLibav
    return width, height


def _expect_strips(directory: Directory, height: int, size_bytes: int, pread: Pread) -> None:
    """Refuse a picture whose strips do not lie in the file.

    Raises:
        Corrupt: One ends behind the file.
        OnlyLibav: They are odd.
    """
    offsets = directory.numbers(_OFFSETS, pread)
    depths = directory.entries.get(_DEPTHS)
    depth_count = 1 if depths is None else depths.count
    rows = height if len(offsets) == depth_count else 0
    if _ROWS in directory.entries:
        rows = min(directory.number(_ROWS, 0) or height, height)
    lengths = directory.numbers(_LENGTHS, pread)
    if len(offsets) == 1 and lengths in ((), (0,)):
        lengths = (size_bytes - offsets[0],)
    if not rows or not offsets or len(offsets) != len(lengths):
        raise OnlyLibav
    end = max(map(add, offsets, lengths))
    if end > size_bytes or max(offsets) > size_bytes:
        raise Corrupt(
            f"The file is cut off: expected at least {end:,} bytes, found {size_bytes:,}."
        )
    is_planar = directory.number(_PLANAR, 1) == _PLANES
    planes = directory.number(_SAMPLES, depth_count) if is_planar else 1
    if -(-height // rows) * planes > len(offsets) or sum(lengths) > size_bytes:
        raise OnlyLibav
