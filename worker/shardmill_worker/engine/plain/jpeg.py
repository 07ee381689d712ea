"""JPEG: marker segments up to the first scan (ITU-T T.81 annex B, JFIF, Exif, Adobe TN 5116)."""

from typing import Final

from msgspec import Struct, field

from shardmill_worker.engine.orientation import OF_EXIF
from shardmill_worker.engine.plain.exif import exif_orientation
from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.source import NotPlain, Source

_FRAME_HEADERS: Final = {0xFFC0: False, 0xFFC1: False, 0xFFC2: True}
"""Baseline, extended sequential, progressive: whether a picture comes in several scans."""
_SCAN: Final = 0xFFDA
_TABLES: Final = frozenset({0xFFDB, 0xFFC4, 0xFFDD})
"""Quantisation, Huffman codes, restart interval."""
_NOTES: Final = frozenset({0xFFFE, *range(0xFFE0, 0xFFF0)})
"""Comments and the segments of applications."""
_MAX_SEGMENTS: Final = 256
_SOI: Final = b"\xff\xd8"
_EOI: Final = b"\xff\xd9"
_PADDING_BYTES: Final = 64
"""So many zeros may follow the end."""
_PROBED_BYTES: Final = 2048
"""libav looks at so much of a file to tell what it is, or at twice, four times... as much."""
_SIGNATURE_BYTES: Final = 16
_EXIF: Final = b"Exif\0\0"
_ODD: Final = (
    *(b"AVI1", b"LJIF", b"mjpg", b"_JPSJPS_", b"MPF\0", b"Exif", b"AROT", b"colr", b"xfrm"),
    *(b"AVID", b"CS=ITU601", b"Intel(R) JPEG", b"Metasoft MJPEG", b"MULTISCOPE"),
)
"""Starts of segments from which libav learns more, or that tell of several pictures."""
_PIX_FMTS: Final = {
    (0x11,): "gray",
    (0x22,): "gray",
    (0x11, 0x11, 0x11): "yuvj444p",
    (0x12, 0x11, 0x11): "yuvj440p",
    (0x21, 0x11, 0x11): "yuvj422p",
    (0x22, 0x11, 0x11): "yuvj420p",
    (0x41, 0x11, 0x11): "yuvj411p",
}
"""Sampling factors of Y, Cb and Cr, horizontal in the upper half of a byte."""
_YCBCR_IDS: Final = frozenset({(1, 2, 3), (0, 1, 2)})


class _Frame(Struct, frozen=True):
    """What a frame header says."""

    width: int
    height: int
    ids: tuple[int, ...]
    sampling: tuple[int, ...]
    progressive: bool

    @property
    def pix_fmt(self) -> str:
        return _PIX_FMTS[self.sampling]

    @property
    def least_bytes(self) -> int:
        """Return how long the coded picture is at least: no code is shorter than a bit.

        A block of 8 x 8 samples needs a code for its mean and one for the end of the block,
        which a progressive picture can save.
        """
        columns, rows = self.sampling[0] >> 4, self.sampling[0] & 15
        if len(self.sampling) == 1:
            columns = rows = 1
        units = -(-self.width // (8 * columns)) * -(-self.height // (8 * rows))
        blocks = units * (columns * rows + len(self.sampling) - 1)
        return blocks * (1 if self.progressive else 2) // 8


class _Seen(Struct):
    """What the segments told so far."""

    frames: list[_Frame] = field(default_factory=list)
    orientations: list[int] = field(default_factory=list)
    jfif: bool = False


def read_jpeg(source: Source) -> Picture:
    """Return what a JPEG of one 8-bit grey or YCbCr picture says.

    Raises:
        NotPlain: It is another JPEG, or is cut off.
    """
    seen, scan = _segments(source)
    if len(seen.frames) != 1 or len(seen.orientations) > 1:
        raise NotPlain
    # Without one of these marks libav looks at more of the file before it says what it is.
    if not (seen.jfif or seen.orientations):
        raise NotPlain
    (frame,) = seen.frames
    _expect_whole(source, frame, scan)
    return Picture(
        container="jpeg_pipe",
        codec="mjpeg",
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.pix_fmt,
        orientation=OF_EXIF[seen.orientations[0] if seen.orientations else 1],
        color_matrix="bt470bg",
        color_range=None if frame.pix_fmt == "gray" else "pc",
    )


def _segments(source: Source) -> tuple[_Seen, int]:
    """Return what the segments before the first scan say, and where its header begins."""
    seen = _Seen()
    position = len(_SOI)
    for _ in range(_MAX_SEGMENTS):
        marker, length = source.unpack(">HH", position)
        if marker == _SCAN:
            return seen, position
        body = position + 4
        if marker in _TABLES:
            # libav looks for marks even in a table, before it says what the file is.
            if b"\xff" in source.read(body, length - 2):
                raise NotPlain
        elif marker in _NOTES:
            _note(seen, marker, source, body, length - 2)
        elif marker in _FRAME_HEADERS:
            header = source.read(body, length - 2)
            seen.frames.append(_frame(header, progressive=_FRAME_HEADERS[marker]))
        else:
            raise NotPlain
        position += 2 + length
    raise NotPlain


def _frame(body: bytes, *, progressive: bool) -> _Frame:
    if len(body) < 6 or len(body) != 6 + 3 * body[5] or body[0] != 8:
        raise NotPlain
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    ids, sampling = tuple(body[6::3]), tuple(body[7::3])
    if sampling not in _PIX_FMTS or (len(ids) > 1 and ids not in _YCBCR_IDS):
        raise NotPlain
    return _Frame(width, height, ids, sampling, progressive)


def _note(seen: _Seen, marker: int, source: Source, body: int, length: int) -> None:
    """Keep what an application's segment or a comment says of the picture."""
    start = source.read(body, min(length, _SIGNATURE_BYTES))
    if marker == 0xFFE1 and start.startswith(_EXIF):
        exif = source.read(body + len(_EXIF), length - len(_EXIF))
        seen.orientations.append(exif_orientation(exif))
    elif marker == 0xFFE0 and start.startswith(b"JFIF\0"):
        # Unequal densities mean pixels that are not square.
        if len(start) < 14 or start[8:10] != start[10:12]:
            raise NotPlain
        seen.jfif = True
    elif marker == 0xFFEE and start.startswith(b"Adobe"):
        if len(start) < 12 or start[11] != 1:  # RGB
            raise NotPlain
    elif start.startswith(_ODD):
        raise NotPlain


def _expect_whole(source: Source, frame: _Frame, scan: int) -> None:
    """Refuse a picture whose first scan is odd, or which cannot be there up to its end."""
    header = source.read(scan + 4, source.unpack(">2xH", scan)[0] - 2)
    count = len(frame.ids)
    if len(header) != 4 + 2 * count or tuple(header[1 : 1 + 2 * count : 2]) != frame.ids:
        raise NotPlain
    if tuple(header[-3:]) != (0, 63, 0) and not (frame.progressive and header[-3:-1] == b"\0\0"):
        raise NotPlain
    start = scan + 4 + len(header)
    left = source.size_bytes - start
    # A second picture where libav looks, which is past the header, makes it take the file for a
    # video (``jpeg_probe`` in libavformat/img2dec.c).
    probed = _PROBED_BYTES
    while probed < start + _PADDING_BYTES:
        probed *= 2
    if left < frame.least_bytes or _SOI in source.read(start, min(left, probed - start)):
        raise NotPlain
    tail = min(left, _PADDING_BYTES)
    if not source.read(source.size_bytes - tail, tail).rstrip(b"\0").endswith(_EOI):
        raise NotPlain
