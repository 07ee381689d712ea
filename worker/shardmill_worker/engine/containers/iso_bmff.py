"""The header of an MP4 or QuickTime file: ISO/IEC 14496-12 and -15, the QuickTime file format."""

import math
import struct
from fractions import Fraction
from typing import Final

from msgspec import Struct

from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.colour_names import FULL, LIMITED, MATRICES, TRANSFERS, known
from shardmill_worker.engine.containers.boxes import Span, boxes, table
from shardmill_worker.engine.containers.sample_table import (
    Clocks,
    Lasting,
    SampleTable,
    whole_us,
)
from shardmill_worker.engine.containers.track import ColourTags, Track
from shardmill_worker.engine.formats.exif import UPRIGHT, Orientation
from shardmill_worker.engine.orientation import from_matrix
from shardmill_worker.engine.source import OnlyLibav, Source

NAME: Final = "mov,mp4,m4a,3gp,3g2,mj2"
PICTURE_BRANDS: Final = frozenset(
    {"avif", "avis", "heic", "heix", "hevc", "hevx", "jpeg", "jpgs", "mif1", "mif2", "msf1"}
)
"""ISO-BMFF brands that hold one picture or several."""
_CODECS: Final = {
    b"avc1": ("h264", b"avcC"),
    b"hvc1": ("hevc", b"hvcC"),
    b"hev1": ("hevc", b"hvcC"),
    b"vp08": ("vp8", b"vpcC"),
    b"vp09": ("vp9", b"vpcC"),
    b"av01": ("av1", b"av1C"),
    b"mp4v": ("mpeg4", b"esds"),
}
_MAX_MOVIE_BYTES: Final = 1 << 23
_MAX_BOXES: Final = 64
_IN_TRACK: Final = frozenset({b"tkhd", b"edts", b"mdia", b"tref", b"tapt", b"load"})
_IN_MEDIA: Final = frozenset({b"mdhd", b"hdlr", b"minf", b"elng"})
_IN_INFORMATION: Final = frozenset(
    {b"vmhd", b"smhd", b"nmhd", b"gmhd", b"sthd", b"hmhd", b"dinf", b"hdlr", b"stbl"}
)
_IN_TABLE: Final = frozenset(
    {b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsc", b"stsz", b"stco", b"co64"}
    | {b"sdtp"}
)
_IN_SAMPLE: Final = frozenset(
    {b"avcC", b"hvcC", b"vpcC", b"av1C", b"pasp", b"colr", b"btrt", b"fiel", b"chrm", b"clli"}
    | {b"mdcv", b"SmDm", b"CoLL", b"dvcC", b"dvvC", b"esds"}
)
_BESIDE: Final = frozenset({b"text", b"sbtl", b"subt", b"tmcd", b"meta"})
"""Handlers of tracks that are neither video nor sound, if their samples are known as such."""
_NOT_SEEN: Final = frozenset({b"text", b"tx3g", b"tmcd", b"mebx", b"mett"})
_IDENTITY: Final = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_DESCRIPTION_BYTES: Final = 78
"""Of a visual sample entry, before the boxes in it (12.1.3)."""
_MAX_ASPECT_TERM: Final = 32_767
_MOST_UNEQUAL: Final = 0.01
"""Beyond that FFmpeg takes a matrix that scales one side for another shape of pixels."""
_STREAM_DESCRIPTOR, _DECODER_DESCRIPTOR, _PRIVATE_DESCRIPTOR = 3, 4, 5
_MPEG_4_VISUAL: Final = 0x20
_UNKNOWN: Final = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})


class _Movie(Struct, frozen=True):
    """The movie header."""

    hz: int
    matrix: tuple[int, ...]


class _Trak(Struct, frozen=True):
    """The boxes of a track."""

    handler: bytes
    header: Span
    clock: tuple[int, int]
    samples: SampleTable
    edits: Span | None

    def clocks(self, movie: _Movie) -> Clocks:
        """Return its clock beside the movie's."""
        return Clocks(movie.hz, *self.clock)

    def lasting(self, movie: _Movie, *, is_video: bool) -> Lasting:
        """Return when it is shown."""
        return self.samples.lasting(self.clocks(movie), self.edits, is_video=is_video)


def read_iso_bmff(source: Source) -> Track:
    """Return the only video track.

    Raises:
        OnlyLibav: There are several or none, or something that may count is not understood here.
    """
    try:
        data = _movie_box(source)
        return _track(data)
    except (struct.error, IndexError, KeyError) as error:
        raise OnlyLibav from error


def _movie_box(source: Source) -> bytes:
    """Return what the movie box holds, if the file is in one piece."""
    position, movie, has_media = 0, None, False
    for _ in range(_MAX_BOXES):
        size, kind = source.unpack(">I4s", position)
        head_bytes = 8
        if size == 1:
            (size,) = source.unpack(">Q", position + 8)
            head_bytes = 16
        is_open = size == 0 and kind == b"mdat"  # up to the end of the file
        if (position == 0) != (kind == b"ftyp") or (size < head_bytes and not is_open):
            raise OnlyLibav
        if kind == b"ftyp" and source.read(8, 4).decode("latin-1").strip() in PICTURE_BRANDS:
            raise OnlyLibav
        if kind == b"moov":
            if movie is not None or size > _MAX_MOVIE_BYTES:
                raise OnlyLibav
            movie = source.read(position + head_bytes, size - head_bytes)
        elif kind == b"mdat":
            has_media = True
        elif kind not in (b"ftyp", b"free", b"skip", b"wide", b"uuid"):
            raise OnlyLibav
        if movie is not None and has_media:
            return movie
        position += size
    raise OnlyLibav


def _track(data: bytes) -> Track:
    movie: _Movie | None = None
    videos: list[_Trak] = []
    sounds: list[_Trak] = []
    beside: list[_Trak] = []
    for kind, span in boxes(data, (0, len(data))):
        if kind == b"mvhd" and movie is None:
            movie = _movie(data, span)
        elif kind == b"trak":
            trak = _trak(data, span)
            {b"vide": videos, b"soun": sounds}.get(trak.handler, beside).append(trak)
        elif kind not in (b"iods", b"udta", b"meta", b"free", b"skip", b"uuid"):
            raise OnlyLibav
    if movie is None or len(videos) != 1:
        raise OnlyLibav
    track = _video(movie, videos[0], [s.lasting(movie, is_video=False) for s in sounds])
    for trak in beside:
        _check_beside(trak, movie, track.file_us)
    return track


def _check_beside(trak: _Trak, movie: _Movie, file_us: int) -> None:
    """Raise for a track neither of video nor of sound that may be taken for one, or lasts longer.

    Raises:
        OnlyLibav: It is such a track.
    """
    begin = trak.samples.span(b"stsd")[0]
    if trak.handler not in _BESIDE or trak.samples.data[begin + 12 : begin + 16] not in _NOT_SEEN:
        raise OnlyLibav
    if trak.lasting(movie, is_video=False).length_us > file_us:
        raise OnlyLibav


def _movie(data: bytes, span: Span) -> _Movie:
    hz, _ = _clock(data, span)
    return _Movie(hz, struct.unpack_from(">9i", data, span[0] + (48 if data[span[0]] else 36)))


def _clock(data: bytes, span: Span) -> tuple[int, int]:
    """Return ticks a second and the duration of a movie or media header.

    Raises:
        OnlyLibav: It leaves one of them open.
    """
    begin = span[0]
    hz, ticks = struct.unpack_from(
        *((">IQ", data, begin + 20) if data[begin] else (">II", data, begin + 12))
    )
    if hz == 0 or ticks in _UNKNOWN:
        raise OnlyLibav
    return hz, ticks


def _trak(data: bytes, span: Span) -> _Trak:
    """Read a track's boxes.

    Raises:
        OnlyLibav: It lies in another file, or leads to a chapter's pictures.
    """
    track = table(data, span, _IN_TRACK)
    media = table(data, track[b"mdia"], _IN_MEDIA)
    information = table(data, media[b"minf"], _IN_INFORMATION)
    if b"chap" in data[slice(*track.get(b"tref", (0, 0)))]:
        raise OnlyLibav
    if b"dinf" in information:
        for _, (begin, end) in boxes(data, information[b"dinf"]):
            if any(stop - start != 4 for _, (start, stop) in boxes(data, (begin + 8, end))):
                raise OnlyLibav
    begin = media[b"hdlr"][0]
    return _Trak(
        handler=data[begin + 8 : begin + 12],
        header=track[b"tkhd"],
        clock=_clock(data, media[b"mdhd"]),
        samples=SampleTable(data, table(data, information[b"stbl"], _IN_TABLE)),
        edits=track.get(b"edts"),
    )


def _video(movie: _Movie, trak: _Trak, sounds: list[Lasting]) -> Track:
    samples, data = trak.samples, trak.samples.data
    begin, end = samples.span(b"stsd")
    entries = list(boxes(data, (begin + 8, end)))
    if len(entries) != 1 or data[begin + 4 : begin + 8] != b"\0\0\0\1":
        raise OnlyLibav
    kind, (begin, end) = entries[0]
    codec, private = _CODECS[kind]
    size = Size(*struct.unpack_from(">HH", data, begin + 24))
    inner = table(data, (begin + _DESCRIPTION_BYTES, end), _IN_SAMPLE)
    orientation, is_natural = _presentation(data, movie, trak.header, size)
    aspect = None
    if b"pasp" in inner:
        wide, high = struct.unpack_from(">II", data, inner[b"pasp"][0])
        if 0 in (wide, high):
            raise OnlyLibav
        aspect = Fraction(wide, high)
        if max(aspect.as_integer_ratio()) > _MAX_ASPECT_TERM:
            raise OnlyLibav
    elif not is_natural:
        raise OnlyLibav
    lasting = trak.lasting(movie, is_video=True)
    return Track(
        container=NAME,
        codec=codec,
        header=_private_data(kind, data[slice(*inner[private])]),
        size=size,
        packet=samples.first_packet(),
        timing=samples.timing(trak.clocks(movie), lasting),
        file_us=whole_us([lasting, *sounds]),
        aspect=aspect,
        tags=_colours(data, inner),
        orientation=orientation,
        has_audio=bool(sounds),
    )


def _private_data(kind: bytes, box: bytes) -> bytes:
    """Return a codec's private data, which MPEG-4 wraps in descriptors (ISO/IEC 14496-1, 7.2.6).

    Raises:
        OnlyLibav: They are of another codec, or of a form that is rare.
    """
    if kind != b"mp4v":
        return box
    stream = _descriptor(box[4:], _STREAM_DESCRIPTOR)
    if stream[2] & 0xE0:  # more fields
        raise OnlyLibav
    decoder = _descriptor(stream[3:], _DECODER_DESCRIPTOR)
    if decoder[0] != _MPEG_4_VISUAL:
        raise OnlyLibav
    return _descriptor(decoder[13:], _PRIVATE_DESCRIPTOR)


def _descriptor(data: bytes, tag: int) -> bytes:
    if data[0] != tag:
        raise OnlyLibav
    size, position = 0, 1
    for position in range(1, 5):
        size = size << 7 | data[position] & 0x7F
        if data[position] < 0x80:
            break
    return data[position + 1 : position + 1 + size]


def _presentation(data: bytes, movie: _Movie, span: Span, size: Size) -> tuple[Orientation, bool]:
    """Return which way up pictures are, and whether they are shown at their stored size.

    Raises:
        OnlyLibav: The matrix scales one side only.
    """
    begin = span[0] + (52 if data[span[0]] else 40)
    *matrix, wide, high = struct.unpack_from(">9iII", data, begin)
    shown = Size(wide >> 16, high >> 16)
    is_natural = shown == size or 0 in (shown.width, shown.height)
    if movie.matrix == _IDENTITY == tuple(matrix):
        return UPRIGHT, is_natural
    # As FFmpeg does it: 16.16 numbers, of which the last column has 2.30.
    product = [
        sum(matrix[3 * row + k] * movie.matrix[3 * k + column] >> (16, 16, 30)[k] for k in range(3))
        for row in range(3)
        for column in range(3)
    ]
    across, down = math.hypot(product[0], product[3]), math.hypot(product[1], product[4])
    if not across or not down or abs(across / down - 1) > _MOST_UNEQUAL:
        raise OnlyLibav
    return from_matrix(struct.pack("=9i", *product)), is_natural


def _colours(data: bytes, inner: dict[bytes, Span]) -> ColourTags:
    """Return the tags of a colour box, and of the VP codec's, which has some of its own.

    Raises:
        OnlyLibav: They contradict each other, or are of an unknown kind.
    """
    found: list[ColourTags] = []
    if b"colr" in inner:
        begin = inner[b"colr"][0]
        kind = data[begin : begin + 4]
        if kind in (b"nclx", b"nclc"):
            transfer, matrix = struct.unpack_from(">HH", data, begin + 6)
            is_full = kind == b"nclx" and data[begin + 10] >> 7
            spread = FULL if is_full else LIMITED if kind == b"nclx" else 0
            found.append(ColourTags(known(matrix, MATRICES), known(transfer, TRANSFERS), spread))
        elif kind not in (b"prof", b"rICC"):
            raise OnlyLibav
    if b"vpcC" in inner:
        version, transfer, matrix = struct.unpack_from(">B7xBB", data, inner[b"vpcC"][0])
        if version != 1:
            raise OnlyLibav
        found.append(ColourTags(known(matrix, MATRICES), known(transfer, TRANSFERS)))
    if len({tags.transfer for tags in found}) > 1:
        raise OnlyLibav
    # The range, and the matrix too, of VP8 and VP9 are told by their own headers.
    return found[0] if found else ColourTags()
