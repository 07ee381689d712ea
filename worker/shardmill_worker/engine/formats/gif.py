"""GIF: its blocks (GIF89a specification)."""

import struct
from collections.abc import Iterator
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.look import Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav, bytes_at

GIF_END: Final = b"\0\x3b"
"""The end of a picture's last block, and the trailer."""
_SCREEN: Final = struct.Struct("<6s2H3B")
_PLACE: Final = struct.Struct("<4HB")
_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_TRAILER: Final = 0x3B
_HAS_TABLE: Final = 0x80
_CODE_BITS: Final = range(2, 9)
_HEAD_OF_PICTURE_BYTES: Final = 1024
"""Place, colours and the beginning of the coded pixels."""
_MAX_BYTES: Final = 1 << 18
"""The blocks of a larger file are too many to look at each: most are animations."""
_MAX_BLOCKS: Final = 1 << 20
_WINDOW_BYTES: Final = 1 << 16


def blocks_of(head: bytes, size_bytes: int, pread: Pread) -> Iterator[tuple[int, int]]:
    """Yield the first byte and the place of each block, up to one that is neither.

    Extensions and pictures are walked through; the trailer, or what is no block, comes last.  A
    file that ends before that gives no more.  A negative byte stands for more than is looked at.

    Args:
        head: First bytes of the file.
        size_bytes: Size of the file.
        pread: Returns at most so many bytes from an offset.
    """
    window, start = head, 0
    position = _SCREEN.size + _table_bytes(head[10] if len(head) > 10 else 0)
    in_block = False
    for _ in range(_MAX_BLOCKS):
        at = position - start
        if at + _PLACE.size + 1 > len(window) and start + len(window) < size_bytes:
            window, start, at = pread(_WINDOW_BYTES, position), position, 0
        if at >= len(window):
            return
        byte = window[at]
        if in_block:
            in_block = byte > 0
            position += 1 + byte
            continue
        yield byte, position
        if byte == _EXTENSION:
            position += 2
        elif byte == _IMAGE and at + _PLACE.size < len(window):
            position += 2 + _PLACE.size + _table_bytes(window[at + _PLACE.size])
        else:
            return
        in_block = True
    yield -1, position


def is_gif_ended(head: bytes, size_bytes: int, pread: Pread) -> bool:
    """Return whether a trailer, or what is no block of a GIF, follows the last block."""
    return any(byte not in (_EXTENSION, _IMAGE) for byte, _ in blocks_of(head, size_bytes, pread))


def read_gif(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a GIF of one picture says.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It is large, may move, or is odd.
        TooLarge: It claims too many pixels.
    """
    if size_bytes > _MAX_BYTES or len(head) < _SCREEN.size:
        raise OnlyLibav
    signature, width, height, flags, _, aspect = _SCREEN.unpack_from(head)
    if signature not in (b"GIF87a", b"GIF89a"):
        raise OnlyLibav
    pictures = end = 0
    for byte, position in blocks_of(head, size_bytes, pread):
        if byte == _IMAGE:
            pictures += 1
            block = bytes_at(head, position, _HEAD_OF_PICTURE_BYTES, pread)
            if pictures > 1 or not _is_picture(block, flags, (width, height)):
                raise OnlyLibav
        elif byte == _TRAILER:
            end = position + 1
        elif byte != _EXTENSION:
            raise OnlyLibav
    if not end and pread(len(GIF_END), size_bytes - len(GIF_END)) != GIF_END:
        raise Corrupt("The file is cut off: expected the mark that ends a GIF, found none.")
    if not pictures or end != size_bytes:
        raise OnlyLibav
    look = Look(
        container="gif",
        codec="gif",
        size=(width, height),
        pix_fmt="bgra",
        aspect=(aspect + 15, 64) if aspect else (1, 1),
        frames_header=1,
    )
    return facts_of_look(look)


def _is_picture(block: bytes, screen_flags: int, screen: tuple[int, int]) -> bool:
    """Return whether a picture lies on the screen, has colours and coded pixels."""
    if len(block) <= _PLACE.size:
        return False
    left, top, wide, high, flags = _PLACE.unpack_from(block, 1)
    coded = 1 + _PLACE.size + _table_bytes(flags)
    if left + wide > screen[0] or top + high > screen[1] or not wide or not high:
        return False
    if not (screen_flags | flags) & _HAS_TABLE or len(block) < coded + 2:
        return False
    return block[coded] in _CODE_BITS and block[coded + 1] > 0


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _HAS_TABLE else 0
