"""What an animated WebP holds: a canvas, and pictures that are drawn onto it one after the other.

The format is that of the WebP container specification (RIFF; ``VP8X``, ``ANIM``, ``ANMF``),
which RFC 9649 repeats.  Only headers are read; a picture's bytes stay in the file.
"""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import Corrupt, Empty, TooLarge
from shardmill_worker.engine.formats.webp import (
    ALPHA,
    EXIF,
    FIRST_CHUNK,
    LOSSLESS,
    LOSSY,
    RIFF_HEAD_BYTES,
    chunks_of,
    exif_orientation,
)
from shardmill_worker.engine.input_file import InputFile

MAX_CANVAS_PIXELS: Final = 2**26
"""The largest canvas that is drawn on, 8192 x 8192: it is held several times, 4 bytes a pixel."""
MAX_SIDE: Final = 2**14
"""The widest and the highest canvas: no picture of the format is larger."""
MAX_PICTURES: Final = 2**17
MAX_CHUNKS: Final = 2**18
"""Chunks of a file."""
MAX_CHUNKS_OF_A_PICTURE: Final = 16
DEFAULT_DELAY_MS: Final = 100
SHORTEST_DELAY_MS: Final = 11
"""A shorter delay means the default one, as in every browser, and in FFmpeg's GIF reader."""

_DISPOSES: Final = 0x01
_REPLACES: Final = 0x02
_LOSSLESS_HAS_ALPHA: Final = 0x10
_PICTURE_HEAD_BYTES: Final = 16


class Picture(Struct, frozen=True):
    """One picture of an animation and how it changes the canvas."""

    left: int
    top: int
    width: int
    height: int
    duration_ms: int
    """How long the canvas is shown with it, at least ``SHORTEST_DELAY_MS``."""
    blends: bool
    """True if what is transparent in it lets the canvas through."""
    disposes: bool
    """True if its rectangle is cleared before the next picture."""
    keyframe: bool
    """True if it is drawn on an empty canvas: nothing before it is needed."""
    offset: int
    """Where its chunks begin in the file."""
    length: int
    """Size of its chunks in bytes."""


class Animation(Struct, frozen=True):
    """A canvas and its pictures."""

    width: int
    height: int
    pictures: tuple[Picture, ...]
    orientation: int
    """As in EXIF, 1 to 8."""


class _Chunk(Struct, frozen=True):
    kind: bytes
    offset: int
    """Where its payload begins."""
    length: int
    """Size of its payload in bytes."""


def read_animation(file: InputFile) -> Animation:
    """Read the headers of an animated WebP.

    A file that is shorter than it says is refused as a whole, as by libwebp.

    Args:
        file: The open file.

    Raises:
        Corrupt: The file is cut off, or no decoder could make sense of it.
        Empty: There is no picture.
        TooLarge: The canvas or the number of pictures is beyond the limits.
    """
    (says,) = struct.unpack("<I", _exactly(file, 4, 4))
    end, found = RIFF_HEAD_BYTES + says, file.size_bytes
    if end > found:
        raise Corrupt(f"The file is cut off: expected {end} bytes, found {found}.")
    width, height = _canvas_size(_exactly(file, 24, 6))
    pictures: list[Picture] = []
    orientation = 1
    for chunk in _chunks(file, FIRST_CHUNK, end, most=MAX_CHUNKS):
        if chunk.kind == b"ANMF":
            if len(pictures) == MAX_PICTURES:
                raise TooLarge(f"Expected at most {MAX_PICTURES} pictures, found more.")
            before = pictures[-1] if pictures else None
            pictures.append(_picture(file, chunk, (width, height), before))
        elif chunk.kind == EXIF:
            orientation = exif_orientation(chunk.offset, chunk.length, file.pread)
    if not pictures:
        raise Empty("The file is an animation without a picture.")
    return Animation(width, height, tuple(pictures), orientation)


def read_still(file: InputFile, picture: Picture) -> bytes:
    """Return one picture of an animation as a WebP file of its own.

    It lacks the header that would announce its alpha, which libav finds nevertheless.
    """
    chunks = file.pread(picture.length, picture.offset)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _canvas_size(sides: bytes) -> tuple[int, int]:
    width = int.from_bytes(sides[:3], "little") + 1
    height = int.from_bytes(sides[3:], "little") + 1
    if width * height > MAX_CANVAS_PIXELS or max(width, height) > MAX_SIDE:
        raise TooLarge(
            f"Expected an animation of at most {MAX_CANVAS_PIXELS} pixels a picture and "
            f"{MAX_SIDE} a side, the file claims {width}x{height}."
        )
    return width, height


def _chunks(file: InputFile, start: int, end: int, *, most: int) -> Iterator[_Chunk]:
    """Yield the chunks between two places of a file; fewer than 8 bytes at the end are none."""
    for count, (kind, offset, length) in enumerate(chunks_of(start, end, b"", file.pread), 1):
        if count > most:
            raise TooLarge(f"Expected at most {most} chunks before byte {end}, found more.")
        if offset + length > end:
            raise Corrupt(
                f"Expected a chunk to end by byte {end}, the one at byte {offset} is "
                f"{length} bytes long."
            )
        yield _Chunk(kind, offset, length)


def _picture(
    file: InputFile, chunk: _Chunk, canvas: tuple[int, int], before: Picture | None
) -> Picture:
    if chunk.length < _PICTURE_HEAD_BYTES:
        raise Corrupt(f"Expected a picture at byte {chunk.offset}, found {chunk.length} bytes.")
    head = _exactly(file, chunk.offset, _PICTURE_HEAD_BYTES)
    half_left, half_top, right, bottom, delay_ms = (
        int.from_bytes(head[k : k + 3], "little") for k in range(0, 15, 3)
    )
    left, top, width, height = 2 * half_left, 2 * half_top, right + 1, bottom + 1
    if left + width > canvas[0] or top + height > canvas[1]:
        raise Corrupt(
            f"Expected a picture within the canvas of {canvas[0]}x{canvas[1]}, found one of "
            f"{width}x{height} at {left},{top}."
        )
    start, end = chunk.offset + _PICTURE_HEAD_BYTES, chunk.offset + chunk.length
    parts = {part.kind: part for part in _chunks(file, start, end, most=MAX_CHUNKS_OF_A_PICTURE)}
    if not parts.keys() & {LOSSY, LOSSLESS}:
        raise Corrupt(f"Expected a picture at byte {chunk.offset}, found no pixels.")
    blends = not head[15] & _REPLACES
    fills = (width, height) == canvas
    return Picture(
        left=left,
        top=top,
        width=width,
        height=height,
        duration_ms=delay_ms if delay_ms >= SHORTEST_DELAY_MS else DEFAULT_DELAY_MS,
        blends=blends,
        disposes=bool(head[15] & _DISPOSES),
        keyframe=(
            before is None
            or (fills and not (blends and _may_be_transparent(file, parts)))
            or (before.disposes and (before.keyframe or (before.width, before.height) == canvas))
        ),
        offset=start,
        length=end - start,
    )


def _may_be_transparent(file: InputFile, parts: dict[bytes, _Chunk]) -> bool:
    if LOSSLESS not in parts:
        return ALPHA in parts
    # A byte of signature, 14 bits each of width and height, then the one that tells.
    return bool(_exactly(file, parts[LOSSLESS].offset, 5)[4] & _LOSSLESS_HAS_ALPHA)


def _exactly(file: InputFile, offset: int, length: int) -> bytes:
    data = file.pread(length, offset)
    if len(data) < length:
        raise Corrupt(f"The file is cut off at byte {offset + len(data)}.")
    return data
