"""WebP: chunks of a RIFF file, and what they say of one picture (RFC 9649; RFC 6386 for VP8)."""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.exif import MAX_BLOCK_BYTES, orientation
from shardmill_worker.engine.formats.look import Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav, bytes_at

RIFF_HEAD_BYTES: Final = 8
FIRST_CHUNK: Final = 12
_PADDING_BYTES: Final = 1
"""A chunk of odd length is followed by a byte that some writers count and leave out."""
LOSSY: Final = b"VP8 "
LOSSLESS: Final = b"VP8L"
ALPHA: Final = b"ALPH"
EXIF: Final = b"EXIF"
_EXTENDED: Final = b"VP8X"
_MOVES: Final = 0x02
_ANIMATED: Final = frozenset({b"ANIM", b"ANMF"})
_CHUNK: Final = struct.Struct("<4sI")
_WINDOW_BYTES: Final = 4096
_MAX_CHUNKS: Final = 1 << 16
_MAX_CHUNKS_OF_ONE: Final = 64
_ALPHA_CODINGS: Final = (0, 1)
"""None, lossless."""
_VP8: Final = struct.Struct("<3s3sHHB")
_VP8_START: Final = b"\x9d\x01\x2a"
_VP8L: Final = struct.Struct("<BI")
_SIDE: Final = 0x3FFF
"""A side has 14 bits; above them VP8 puts a wish for scaling."""
_CODED_FLAGS: Final = 0x40
"""From this first byte on VP8's colour space or clamping are not the usual ones."""


def chunks_of(start: int, end: int, head: bytes, pread: Pread) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of the data of each chunk between two places of a file.

    The last chunk may claim to reach beyond; fewer than 8 bytes at the end are none.

    Args:
        start: Where the first chunk begins.
        end: Where the last one ends.
        head: First bytes of the file.
        pread: Returns at most so many bytes from an offset.
    """
    window, base = head, 0
    while start + _CHUNK.size <= end:
        at = start - base
        if at + _CHUNK.size > len(window):
            window, base, at = pread(min(_WINDOW_BYTES, end - start), start), start, 0
            if len(window) < _CHUNK.size:
                return
        kind, length = _CHUNK.unpack_from(window, at)
        yield kind, start + _CHUNK.size, length
        start += _CHUNK.size + length + length % 2


def is_animated_webp(head: bytes) -> bool:
    """Return whether a file that begins so is a WebP of several pictures."""
    return head[:4] + head[8:16] == b"RIFFWEBPVP8X" and len(head) > 20 and bool(head[20] & _MOVES)


def webp_orientation(size_bytes: int, pread: Pread) -> int:
    """Return the orientation in a WebP file's ``EXIF`` chunk, 1 if there is none."""
    found = chunks_of(FIRST_CHUNK, size_bytes, pread(_WINDOW_BYTES, 0), pread)
    for kind, start, length in islice(found, _MAX_CHUNKS):
        if kind == EXIF:
            return exif_orientation(start, length, pread)
    return 1


def exif_orientation(start: int, length: int, pread: Pread) -> int:
    """Return the orientation in an ``EXIF`` chunk.

    Many programs begin the chunk with the mark that Exif has in a JPEG, which libav refuses.
    """
    block = pread(min(length, MAX_BLOCK_BYTES), start)
    return orientation(block.removeprefix(b"Exif\0\0"))


def read_webp(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a WebP of one picture says.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It may move, or is odd.
        TooLarge: It claims too many pixels.
    """
    if head[:4] + head[8:12] != b"RIFFWEBP" or is_animated_webp(head):
        raise OnlyLibav
    end = RIFF_HEAD_BYTES + int.from_bytes(head[4:8], "little")
    chunks = _chunks(end, head, pread)
    reached = max([end - _PADDING_BYTES, *map(sum, chunks.values())])
    if reached > size_bytes:
        raise Corrupt(
            f"The file is cut off: expected at least {reached:,} bytes, found {size_bytes:,}."
        )
    is_lossless = LOSSLESS in chunks
    if is_lossless == (LOSSY in chunks):
        raise OnlyLibav
    start, length = chunks[LOSSLESS if is_lossless else LOSSY]
    coded = bytes_at(head, start, min(length, _VP8.size), pread)
    size = _vp8l_size(coded) if is_lossless else _vp8_size(coded, length)
    if not _fits(chunks, size, head, pread):
        raise OnlyLibav
    look = Look(
        container="webp_pipe",
        codec="webp",
        size=size,
        pix_fmt="argb" if is_lossless else "yuva420p" if ALPHA in chunks else "yuv420p",
        orientation=exif_orientation(*chunks[EXIF], pread) if EXIF in chunks else 1,
        color_matrix=None if is_lossless else "bt470bg",
        color_range=None if is_lossless else "tv",
    )
    return facts_of_look(look)


def _chunks(end: int, head: bytes, pread: Pread) -> dict[bytes, tuple[int, int]]:
    """Return start and length of each chunk's data, in the order of the file.

    Raises:
        OnlyLibav: One comes twice, belongs to an animation or is cut off, or there are many.
    """
    chunks: dict[bytes, tuple[int, int]] = {}
    for kind, start, length in chunks_of(FIRST_CHUNK, end, head, pread):
        is_odd = kind in chunks or kind in _ANIMATED or start + length > end
        if is_odd or len(chunks) == _MAX_CHUNKS_OF_ONE:
            raise OnlyLibav
        chunks[kind] = start, length
    return chunks


def _fits(
    chunks: dict[bytes, tuple[int, int]], size: tuple[int, int], head: bytes, pread: Pread
) -> bool:
    """Return whether canvas and transparency are those of a plain picture."""
    order = list(chunks)
    if _EXTENDED in chunks:
        start, length = chunks[_EXTENDED]
        sides = bytes_at(head, start, 10, pread)[4:]
        canvas = int.from_bytes(sides[:3], "little") + 1, int.from_bytes(sides[3:], "little") + 1
        if order[0] != _EXTENDED or length != 10 or canvas != size:
            return False
    elif len(order) > 1:
        return False
    if ALPHA not in chunks:
        return True
    # libav leaves out transparency that is compressed in an unknown way.
    coding = bytes_at(head, chunks[ALPHA][0], 1, pread)[0] & 3
    is_before = LOSSY in chunks and order.index(ALPHA) < order.index(LOSSY)
    return is_before and coding in _ALPHA_CODINGS


def _vp8_size(coded: bytes, length: int) -> tuple[int, int]:
    if len(coded) < _VP8.size:
        raise OnlyLibav
    tag, start_code, width, height, first = _VP8.unpack(coded)
    bits = int.from_bytes(tag, "little")
    shown_keyframe = bits & 0x11 == 0x10
    if not shown_keyframe or bits >> 5 > length - 10 or start_code != _VP8_START:
        raise OnlyLibav
    if max(width, height) > _SIDE or first >= _CODED_FLAGS:
        raise OnlyLibav
    return width, height


def _vp8l_size(coded: bytes) -> tuple[int, int]:
    if len(coded) < _VP8L.size:
        raise OnlyLibav
    mark, bits = _VP8L.unpack_from(coded)
    if mark != 0x2F or bits >> 29:
        raise OnlyLibav
    return (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1
