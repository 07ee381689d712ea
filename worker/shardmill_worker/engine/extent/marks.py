"""Containers whose every file ends with a mark.

Each reader returns what a file lacks, in words, or None.
"""

from collections.abc import Iterator
from typing import Final

from shardmill_worker.engine.formats.gif import GIF_END, is_gif_ended
from shardmill_worker.engine.formats.png import PNG_END
from shardmill_worker.engine.source import Source

_TAIL_BYTES: Final = 1 << 18
"""A mark is looked for so far from the end of the file: something else may follow it."""
_GIF_HEAD_BYTES: Final = 1 << 16
_GXF_END: Final = b"\0\0\0\0\x01\xfb\0\0\0\x10\0\0\0\0\xe1\xe2"
_AMV_END: Final = b"AMV_END_"
_DIRAC_UNIT, _DIRAC_END = b"BBCD", b"BBCD\x10"
_DIRAC_HEAD_BYTES: Final = 13
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_OGG_PAGE: Final = b"OggS"
_OGG_HEAD_BYTES: Final = 27
_OGG_LAST: Final = 4
"""Flag of a page: the last one of its stream."""


def _tail(source: Source) -> bytes:
    length = min(source.size_bytes, _TAIL_BYTES)
    return source.read(source.size_bytes - length, length)


def _lack(kind: str) -> str:
    return f"expected the mark that ends {kind}, found none"


def apng(source: Source) -> str | None:
    """Find the chunk IEND (PNG specification, 11.2.5)."""
    return None if PNG_END in _tail(source) else _lack("a PNG")


def gxf(source: Source) -> str | None:
    """Find the end-of-stream packet (SMPTE 360M, 7.6)."""
    return None if _GXF_END in _tail(source) else _lack("a GXF file")


def amv(source: Source) -> str | None:
    """Find the end of an AMV, an AVI that declares no size."""
    if source.read(8, 4) != b"AMV ":
        return None
    return None if _AMV_END in _tail(source) else _lack("an AMV file")


def dirac(source: Source) -> str | None:
    """Find the last unit, which is an end of sequence (Dirac specification, 9.2)."""
    tail = _tail(source)
    last = tail[tail.rfind(_DIRAC_UNIT) :]
    is_whole = last.startswith(_DIRAC_END) and len(last) >= _DIRAC_HEAD_BYTES
    return None if is_whole else _lack("a Dirac sequence")


def mjpeg(source: Source) -> str | None:
    """Find out whether a picture has begun since the last one ended (ITU-T T.81, B.1.1.3)."""
    tail = _tail(source)
    return _lack("a JPEG") if tail.rfind(_JPEG_START) > tail.rfind(_JPEG_END) else None


def gif(source: Source) -> str | None:
    """Find the trailer (GIF89a specification, 27); a file that does not end with it is walked."""
    if source.read(source.size_bytes - 2, 2) == GIF_END or _gif_is_ended(source):
        return None
    return _lack("a GIF")


def _gif_is_ended(source: Source) -> bool:
    head = source.read(0, min(source.size_bytes, _GIF_HEAD_BYTES))
    return is_gif_ended(head, source.size_bytes, source.pread)


def ogg(source: Source) -> str | None:
    """Find the last page of each stream, which says that it is the last (RFC 3533, 6)."""
    is_ended = dict(_ogg_pages(_tail(source)))
    return None if all(is_ended.values()) else _lack("an Ogg stream")


def _ogg_pages(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the serial number of each page's stream, and whether the page ends the stream.

    Only what is followed by another page or by none is a page.
    """
    position = data.find(_OGG_PAGE)
    while position >= 0:
        head = data[position : position + _OGG_HEAD_BYTES + 255]
        lacing = head[_OGG_HEAD_BYTES:][: head[26] if len(head) > 26 else 255]
        end = position + _OGG_HEAD_BYTES + len(lacing) + sum(lacing)
        is_whole = len(head) > 26 and len(lacing) == head[26] and end <= len(data)
        following = data.find(_OGG_PAGE, position + len(_OGG_PAGE))
        if following in (-1, end):
            yield head[14:18], is_whole and bool(head[5] & _OGG_LAST)
        position = following
