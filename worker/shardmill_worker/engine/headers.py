"""What the heads of picture files say and libav does not pass on."""

import struct
from typing import Final

from shardmill_worker.engine import tiff
from shardmill_worker.engine.input_file import InputFile

_MAX_EXIF_BYTES: Final = 1 << 20
_MAX_CHUNKS: Final = 1 << 16
_MAX_SEGMENTS: Final = 4096
_START_OF_SCAN: Final = 0xDA
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_WEBP_MOVES: Final = 0x02
_JPEG_XL_STARTS: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_WEBP_HEADER_BYTES: Final = 12


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
            return tiff.orientation(file.pread(min(length, _MAX_EXIF_BYTES), position + 8))
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
            return tiff.orientation(block.removeprefix(b"Exif\0\0"))
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
