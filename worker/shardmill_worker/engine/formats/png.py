"""PNG: the chunks of a single picture (W3C PNG specification, third edition)."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.colour_names import TRANSFERS
from shardmill_worker.engine.faults import check_pixels
from shardmill_worker.engine.formats.exif import MAX_BLOCK_BYTES, orientation
from shardmill_worker.engine.formats.look import MAX_LOOKS, Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav, bytes_at

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_END: Final = b"\0\0\0\0IEND\xae\x42\x60\x82"

_PIX_FMTS: Final = {
    (1, 0): "monob",
    **{(depth, 0): "gray" for depth in (2, 4, 8)},
    (16, 0): "gray16be",
    (8, 2): "rgb24",
    (16, 2): "rgb48be",
    **{(depth, 3): "pal8" for depth in (1, 2, 4, 8)},
    (8, 4): "ya8",
    (16, 4): "ya16be",
    (8, 6): "rgba",
    (16, 6): "rgba64be",
}
"""Bits a sample and colour type."""
_WITH_ALPHA: Final = {
    "gray": "ya8",
    "gray16be": "ya16be",
    "rgb24": "rgba",
    "rgb48be": "rgba64be",
    "pal8": "pal8",
    "monob": "monob",
}
"""What a transparent colour (tRNS) makes of a format."""
_GAMMAS: Final = ((45455, "bt470m"), (35714, "bt470bg"), (38462, "smpte428"), (100_000, "linear"))
"""gAMA, 100,000 times the exponent of the encoding, to the transfer curve."""
_GAMMA_TOLERANCE: Final = 100
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""
_MAX_DEFLATION: Final = 1032
"""Deflate makes no data smaller than that fraction of it."""
_MAX_CHUNKS: Final = 1 << 16
_WINDOW_BYTES: Final = 4096
_LENGTH_AND_NAME: Final = struct.Struct(">I4s").unpack_from
_CHUNK_EXTRA_BYTES: Final = 12
"""Length and name in front of a chunk's data, checksum behind it."""
_LENGTHS: Final = {
    b"IHDR": range(13, 14),
    b"PLTE": range(3, 769, 3),
    b"tRNS": range(1, 257),
    b"gAMA": range(4, 5),
    b"sRGB": range(1, 2),
    b"pHYs": range(9, 10),
    b"cICP": range(4, 5),
    b"eXIf": range(MAX_BLOCK_BYTES),
    b"acTL": range(0),
    b"fcTL": range(0),
    b"fdAT": range(0),
    b"": range(0),
}
"""Chunks that say what a picture looks like, and how many bytes these may be.

None has the length of an animation's chunks, nor of one too many."""
_TRANSPARENT_BYTES: Final = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}
"""Length of a transparent colour (tRNS) by colour type."""
_UNTAGGED: Final = (None, "pc")
_RANGES: Final = {0: "tv", 1: "pc"}
"""As cICP says it."""
_MAX_DENSITY: Final = 2**31 - 1
_SQUARE: Final = b"\0\0\0\1\0\0\0\1\0"


def chunks_of(head: bytes, size_bytes: int, pread: Pread) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and length of the data of each chunk, up to a whole IEND or the file's end.

    Chunks of pixels that are all of one length but for the last, as encoders write them, are
    passed over at one go.  An empty name stands for more chunks than are looked at.

    Args:
        head: First bytes of the file.
        size_bytes: Size of the file.
        pread: Returns at most so many bytes from an offset.
    """
    window, start, position = head, 0, len(SIGNATURE)
    is_first = True
    for _ in range(_MAX_CHUNKS):
        at = position - start
        if at + 8 > len(window):
            window, start, at = pread(_WINDOW_BYTES, position), position, 0
            if len(window) < 8:
                return
        length, name = _LENGTH_AND_NAME(window, at)
        step = length + _CHUNK_EXTRA_BYTES
        if name == b"IEND" and position + step > size_bytes:
            return
        yield name, position + 8, length
        if name == b"IEND":
            return
        if name == b"IDAT" and is_first:
            is_first = False
            position = _last_of_equal(position, step, size_bytes, pread)
        else:
            position += step
    yield b"", position, 0


def _last_of_equal(position: int, step: int, size_bytes: int, pread: Pread) -> int:
    """Return where the last of the chunks begins that follow each other at equal steps.

    It is looked for where it stands if nothing follows but IEND, or one step before that.
    """
    most = (size_bytes - _CHUNK_EXTRA_BYTES - position) // step
    for count in (most, most - 1):
        place = position + count * step
        if count > 1 and pread(8, place)[4:] in (b"IDAT", b"IEND"):
            return place
    return position + step


def png_orientation(size_bytes: int, pread: Pread) -> int:
    """Return the orientation in a PNG file's ``eXIf`` chunk, 1 if there is none."""
    for name, start, length in chunks_of(pread(_WINDOW_BYTES, 0), size_bytes, pread):
        if name == b"eXIf":
            return orientation(pread(min(length, MAX_BLOCK_BYTES), start))
    return 1


def png_size(head: bytes) -> tuple[int, int] | None:
    """Return the width and height that the first bytes of a PNG claim, None if it is none."""
    if len(head) < 24 or not head.startswith(SIGNATURE) or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def is_apple_png(head: bytes) -> bool:
    """Return whether a file that begins so is a PNG as Apple's tools rewrite them for phones."""
    return head.startswith(SIGNATURE) and head[12:16] == b"CgBI"


def read_png(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a PNG of one picture says.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It may move, or its chunks are odd.
        TooLarge: It claims too many pixels.
    """
    size = png_size(head)
    if size is None:
        raise OnlyLibav
    kept: dict[bytes, bytes] = {}
    for name, start, length in chunks_of(head, size_bytes, pread):
        if name in (b"IDAT", b"IEND"):
            kept[name] = b""
        elif (lengths := _LENGTHS.get(name)) is not None:
            is_late = b"IDAT" in kept and name != b"eXIf"
            if is_late or name in kept or length not in lengths:
                raise OnlyLibav
            kept[name] = bytes_at(head, start, length, pread)
    if b"IEND" not in kept:
        check_pixels(*size)
        raise Corrupt("The file is cut off: expected the chunk that ends a PNG, found none.")
    if b"IDAT" not in kept:
        raise OnlyLibav
    turn = orientation(kept[b"eXIf"]) if b"eXIf" in kept else 1
    density, colours = kept.get(b"pHYs", _SQUARE), _colours(kept) if len(kept) > 3 else _UNTAGGED
    transparent_bytes = len(kept[b"tRNS"]) if b"tRNS" in kept else 0
    look = _look(kept[b"IHDR"], b"PLTE" in kept, transparent_bytes, density, turn, colours)
    if look[1] > size_bytes * _MAX_DEFLATION:
        raise OnlyLibav
    return look[0]


@lru_cache(MAX_LOOKS)
def _look(
    header: bytes,
    has_palette: bool,
    transparent_bytes: int,
    density: bytes,
    orientation: int,
    colours: tuple[str | None, str | None],
) -> tuple[Facts, int]:
    """Return the facts, and the size of the pixels in bytes.

    Args:
        header: Data of IHDR.
        has_palette: Whether there is a PLTE.
        transparent_bytes: Length of tRNS, 0 if there is none.
        density: Data of pHYs.
        orientation: As in Exif.
        colours: Transfer curve and range.

    Raises:
        OnlyLibav: The header is odd.
        TooLarge: There are too many pixels.
    """
    width, height, depth, colour, *methods = struct.unpack(">2I5B", header)
    across, down, _ = struct.unpack(">IIB", density)
    pix_fmt = _PIX_FMTS.get((depth, colour))
    if pix_fmt is not None and transparent_bytes:
        fits = transparent_bytes in _TRANSPARENT_BYTES.get(colour, ())
        pix_fmt = _WITH_ALPHA.get(pix_fmt) if fits else None
    if pix_fmt is None or (pix_fmt == "pal8" and not has_palette):
        raise OnlyLibav
    if methods not in ([0, 0, 0], [0, 0, 1]) or max(across, down) > _MAX_DENSITY:
        raise OnlyLibav
    look = Look(
        container="png_pipe",
        codec="png",
        size=(width, height),
        pix_fmt=pix_fmt,
        orientation=orientation,
        aspect=(across, down),
        color_matrix="gbr",
        color_range=colours[1],
        color_transfer=colours[0],
    )
    return facts_of_look(look), _SAMPLES[colour] * depth * width * height // 8


def _colours(kept: dict[bytes, bytes]) -> tuple[str | None, str | None]:
    """Return transfer curve and range, by FFmpeg's order of precedence."""
    if b"cICP" in kept:
        _, transfer, _, full_range = kept[b"cICP"]
        return TRANSFERS.get(transfer), _RANGES.get(full_range)
    if b"sRGB" in kept:
        return "iec61966-2-1", "pc"
    gamma = int.from_bytes(kept.get(b"gAMA", b""))
    found = (name for value, name in _GAMMAS if abs(gamma - value) < _GAMMA_TOLERANCE)
    return next(found, None), "pc"
