"""The header and the index of an AVI file: Microsoft's RIFF and AVI specifications."""

import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import numpy as np
from msgspec import Struct

from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.containers.track import Timing, Track
from shardmill_worker.engine.source import OnlyLibav, Source
from shardmill_worker.engine.times import MAX_INDEX

NAME: Final = "avi"
_CODECS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        **dict.fromkeys((b"XVID", b"DIVX", b"DX50", b"FMP4", b"MP4V"), "mpeg4"),
        b"MJPG": "mjpeg",
    }
)
"""By the tag of the format, in capitals."""
_IN_STREAM: Final = frozenset({b"strh", b"strf", b"strn", b"vprp", b"JUNK"})
_IN_HEADER: Final = frozenset({b"avih", b"JUNK"})
_BESIDE: Final = frozenset({b"JUNK", b"LIST"})
_MAX_HEADER_BYTES: Final = 1 << 20
_MAX_CHUNKS: Final = 256
_FORMAT_BYTES: Final = 40
"""Of a BITMAPINFOHEADER; what follows is the codec's."""
_PROPERTIES_BYTES: Final = 36
_ENTRY_BYTES: Final = 16
_US_PER_S: Final = 1_000_000


class _Stream(Struct, frozen=True):
    """The header of a stream."""

    kind: bytes
    period: Fraction
    """Seconds in a unit of its length."""
    length: int
    sample_bytes: int
    form: bytes
    """The chunk ``strf``."""
    aspect: Fraction | None
    """Width to height of a stored pixel, None if it is not said."""

    @property
    def length_us(self) -> int:
        """How long it lasts; 0 where its length counts bytes, which FFmpeg does not heed."""
        return 0 if self.sample_bytes else round(self.length * self.period * _US_PER_S)


def read_avi(source: Source) -> Track:
    """Return the only video stream.

    Raises:
        OnlyLibav: There are several or none, or something that may count is not understood here.
    """
    if source.read(8, 4) != b"AVI ":
        raise OnlyLibav
    header, movie, index = _parts(source)
    streams = _streams(header)
    kinds = [stream.kind for stream in streams]
    if kinds.count(b"vids") != 1 or not set(kinds) <= {b"vids", b"auds"}:
        raise OnlyLibav
    number = kinds.index(b"vids")
    video = streams[number]
    if len(video.form) < _FORMAT_BYTES:
        raise OnlyLibav
    width, height, _, _, tag = struct.unpack_from("<4xiiHH4s", video.form)
    codec = _CODECS.get(tag.upper())
    if codec is None or min(width, height) <= 0 or video.sample_bytes or not video.length_us:
        raise OnlyLibav
    return Track(
        container=NAME,
        codec=codec,
        header=video.form[_FORMAT_BYTES:],
        size=Size(width, height),
        packet=_first_packet(source, movie, number),
        timing=Timing(
            rate_hz=1 / video.period,
            varies=False if _is_whole(index, number, video.length) else None,
            frames=video.length,
            duration_s=float(video.length * video.period),
        ),
        file_us=max(stream.length_us for stream in streams),
        aspect=video.aspect,
        has_audio=b"auds" in kinds,
    )


def _parts(source: Source) -> tuple[bytes, tuple[int, int], bytes]:
    """Return the header list, the span of the list of packets, and the index behind it."""
    header, movie, position = b"", None, 12
    for _ in range(_MAX_CHUNKS):
        kind, size, form = source.unpack("<4sI4s", position)
        end = position + 8 + size
        if kind == b"LIST" and form == b"hdrl" and not header and size <= _MAX_HEADER_BYTES:
            header = source.read(position + 12, size - 4)
        elif kind == b"LIST" and form == b"movi" and header and movie is None:
            movie = (position + 12, end)
        elif kind == b"idx1" and movie is not None and size <= _ENTRY_BYTES * MAX_INDEX:
            return header, movie, source.read(position + 8, size)
        elif kind not in _BESIDE or form in (b"hdrl", b"movi"):
            raise OnlyLibav
        position = end + size % 2
    raise OnlyLibav


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        if position + 8 + size > len(data):
            raise OnlyLibav
        yield kind, data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _streams(header: bytes) -> list[_Stream]:
    streams: list[_Stream] = []
    for kind, data in _chunks(header):
        if kind == b"LIST" and data[:4] == b"strl":
            streams.append(_stream(data[4:]))
        elif kind not in _IN_HEADER and data[:4] != b"odml":
            raise OnlyLibav
    return streams


def _stream(data: bytes) -> _Stream:
    found = dict(_chunks(data))
    if not {b"strh", b"strf"} <= found.keys() <= _IN_STREAM or len(found[b"strh"]) < 48:
        raise OnlyLibav
    kind, scale, rate, start, length, sample_bytes = struct.unpack_from(
        "<4s16xIIII8xI", found[b"strh"]
    )
    if 0 in (scale, rate) or start:
        raise OnlyLibav
    return _Stream(
        kind=kind,
        period=Fraction(scale, rate),
        length=length,
        sample_bytes=sample_bytes,
        form=found[b"strf"],
        aspect=_aspect(found.get(b"vprp", b"")),
    )


def _aspect(properties: bytes) -> Fraction | None:
    """Return the shape of pixels by that of a frame and its size (OpenDML, 5.1)."""
    if len(properties) < _PROPERTIES_BYTES:
        return None
    high, wide, width, height = struct.unpack_from("<20xHHII", properties)
    return Fraction(wide * height, high * width) if wide and high and width and height else None


def _first_packet(source: Source, movie: tuple[int, int], number: int) -> tuple[int, int]:
    """Return where the first packet of a stream begins, and its size in bytes."""
    position, end = movie
    for _ in range(_MAX_CHUNKS):
        kind, size = source.unpack("<4sI", position)
        if position + 8 + size > end or not kind[:2].isdigit():
            raise OnlyLibav
        if int(kind[:2]) == number:
            if kind[2:] not in (b"dc", b"db"):
                raise OnlyLibav
            return position + 8, size
        position += 8 + size + size % 2
    raise OnlyLibav


def _is_whole(index: bytes, number: int, frames: int) -> bool:
    """Return whether an index shows every frame, none of them empty.

    Raises:
        OnlyLibav: It holds a change of palette.
    """
    entries = np.frombuffer(index, "S2, S2, <u4, <u4, <u4", len(index) // _ENTRY_BYTES)
    mine = entries[entries["f0"] == b"%02d" % number]
    if not np.isin(mine["f1"], (b"dc", b"db")).all():
        raise OnlyLibav
    return len(mine) == frames and bool(mine["f4"].all())
