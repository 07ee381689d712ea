"""The header of a QuickTime movie of raw pictures: times and places, all known beforehand.

It lets libav read pictures that are made while it reads: seeking, durations and rates are then
libav's own answers, as for any other movie.  The format is that of Apple's QuickTime File Format
Specification; version 1 of a box has 64-bit times.
"""

import struct
from collections.abc import Sequence
from itertools import groupby
from typing import Final

UNITS_PER_S: Final = 1000
BYTES_PER_PIXEL: Final = 4
_UPRIGHT: Final = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_LANGUAGE_UNDETERMINED: Final = 0x55C4


def movie_header(width: int, height: int, durations_ms: Sequence[int]) -> bytes:
    """Return what stands before the first picture of a movie; the pictures follow, end to end.

    Args:
        width: Of every picture, pixels; below 65536, like ``height``.
        height: Of every picture, pixels.
        durations_ms: How long each picture is shown.  A picture is ``width * height`` pixels
            of R, G, B and A, uint8, row after row.
    """
    kind = _box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    length = len(kind) + len(_movie(width, height, durations_ms, first=0))
    data = struct.pack(
        ">I4sQ", 1, b"mdat", 16 + BYTES_PER_PIXEL * width * height * len(durations_ms)
    )
    return kind + _movie(width, height, durations_ms, first=length + len(data)) + data


def _movie(width: int, height: int, durations_ms: Sequence[int], *, first: int) -> bytes:
    """Return the ``moov`` box; its size depends on no place."""
    total = sum(durations_ms)
    times = struct.pack(">QQIQ", 0, 0, UNITS_PER_S, total)
    track_times = struct.pack(">QQIIQ", 0, 0, 1, 0, total)
    sides = struct.pack(">II", width << 16, height << 16)
    media = _box(
        b"mdia",
        _full(b"mdhd", times, struct.pack(">HH", _LANGUAGE_UNDETERMINED, 0), version=1),
        _full(b"hdlr", b"mhlrvide", bytes(13)),
        _box(
            b"minf",
            _full(b"vmhd", bytes(8), flags=1),
            _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))),
            _samples(width, height, durations_ms, first=first),
        ),
    )
    return _box(
        b"moov",
        _full(
            b"mvhd",
            times,
            struct.pack(">IH10x", 1 << 16, 1 << 8) + _UPRIGHT + bytes(24) + struct.pack(">I", 2),
            version=1,
        ),
        _box(
            b"trak",
            _full(b"tkhd", track_times, bytes(16), _UPRIGHT, sides, version=1, flags=3),
            media,
        ),
    )


def _samples(width: int, height: int, durations_ms: Sequence[int], *, first: int) -> bytes:
    count = len(durations_ms)
    runs = [(len(list(run)), duration) for duration, run in groupby(durations_ms)]
    entry = struct.pack(
        ">6xH16xHHIIIH32xHh", 1, width, height, 72 << 16, 72 << 16, 0, 1, 8 * BYTES_PER_PIXEL, -1
    )
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), _box(b"RGBA", entry)),
        _full(b"stts", struct.pack(">I", len(runs)), *(struct.pack(">II", *run) for run in runs)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        _full(b"stsz", struct.pack(">II", BYTES_PER_PIXEL * width * height, count)),
        _full(b"co64", struct.pack(">IQ", 1, first)),
    )


def _full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)
