"""A JPEG file that is already what would be made of it is stored as it is."""

from typing import Final

import av
import simplejpeg

from shardmill_worker.engine.formats.exif import UPRIGHT
from shardmill_worker.engine.input_file import InputFile
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.orientation import orientation_of

_PLAIN: Final = frozenset({"yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p"})
"""What libav makes of 8 bits, full range and three components, Y, U and V."""


def jpeg_as_it_is(media: Media, frame: av.VideoFrame) -> bytes | None:
    """Return a picture's file if readers of shards see in it what libav does; else None.

    A file larger than its pixels carries something else, a film perhaps, and is no such file.

    Args:
        media: The file.
        frame: Its picture, which libav has decoded without complaint.
    """
    size_bytes = media.file.size_bytes
    if (
        media.format_name != "jpeg_pipe"
        or frame.format.name not in _PLAIN
        or size_bytes > 3 * frame.width * frame.height
        or orientation_of(media, frame) != UPRIGHT
    ):
        return None
    data = _whole(media.file)
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return data if (width, height, colours) == (frame.width, frame.height, "YCbCr") else None


def _whole(file: InputFile) -> bytes:
    """Return a file's bytes; one that shrinks meanwhile is told when it is closed."""
    pieces: list[bytes] = []
    position = 0
    while position < file.size_bytes and (
        piece := file.pread(file.size_bytes - position, position)
    ):
        pieces.append(piece)
        position += len(piece)
    return b"".join(pieces)
