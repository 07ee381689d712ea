"""The header of a Matroska or WebM file: RFC 9559."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.colour_names import MATRICES, TRANSFERS, UNSPECIFIED, known
from shardmill_worker.engine.containers.ebml import elements, head_at, number_at
from shardmill_worker.engine.containers.ratio import reduced
from shardmill_worker.engine.containers.track import ColourTags, Timing, Track
from shardmill_worker.engine.source import OnlyLibav, Source

NAME: Final = "matroska,webm"
_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = (
    0x1A45DFA3,
    0x18538067,
    0x1549A966,
    0x1654AE6B,
    0x1F43B675,
)
_SKIPPED: Final = frozenset(
    {0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1941A469, 0x1043A770, 0xEC, 0xBF}
)
"""SeekHead, Cues, Tags, Attachments, Chapters, Void and CRC-32."""
_DOC_TYPE: Final = 0x4282
_TIMESTAMP_SCALE, _DURATION = 0x2AD7B1, 0x4489
_ENTRY: Final = 0xAE
_NUMBER, _TYPE, _DEFAULT_DURATION, _CODEC_ID, _PRIVATE, _VIDEO = (
    0xD7,
    0x83,
    0x23E383,
    0x86,
    0x63A2,
    0xE0,
)
_ENTRY_KNOWN: Final = frozenset(
    {_NUMBER, _TYPE, _DEFAULT_DURATION, _CODEC_ID, _PRIVATE, _VIDEO, 0xE1}
    | {0x73C5, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x55EE, 0x536E, 0x22B59C, 0x22B59D}
    | {0x258688, 0xAA, 0x56AA, 0x56BB, 0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF, 0xEC, 0xBF}
)
"""Elements of a track that say nothing else of its pictures, audio's settings among them."""
_WIDTH, _HEIGHT, _SHOWN_WIDTH, _SHOWN_HEIGHT, _SHOWN_UNIT = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2
_COLOUR, _MATRIX, _RANGE, _TRANSFER = 0x55B0, 0x55B1, 0x55B9, 0x55BA
_VIDEO_KNOWN: Final = frozenset(
    {_WIDTH, _HEIGHT, _SHOWN_WIDTH, _SHOWN_HEIGHT, _SHOWN_UNIT, _COLOUR, 0x9A, 0x9D, 0xEC, 0xBF}
)
_TIMESTAMP, _SIMPLE_BLOCK, _GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_IN_CLUSTER: Final = frozenset({_TIMESTAMP, 0xA7, 0xAB, 0xEC, 0xBF})
_LACING: Final = 0x06
_VIDEO_TYPE, _AUDIO_TYPE, _SUBTITLE_TYPE = 1, 2, 17
_TYPES: Final = frozenset({_VIDEO_TYPE, _AUDIO_TYPE, _SUBTITLE_TYPE})
_CODECS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"V_MPEG4/ISO/AVC": "h264",
        b"V_MPEGH/ISO/HEVC": "hevc",
        b"V_VP8": "vp8",
        b"V_VP9": "vp9",
        b"V_AV1": "av1",
    }
)
_MAX_HEADER_BYTES: Final = 1 << 20
_MAX_ELEMENTS: Final = 256
_NS_PER_S: Final = 1_000_000_000
_MAX_RATE_TERM: Final = 30_000
"""FFmpeg's limit of the terms of a track's rate."""
_MAX_DURATION: Final = 2**40
"""More ticks of a millisecond than thirty years have."""
_NO_UNIT: Final = 4


def read_matroska(source: Source) -> Track:
    """Return the only video track.

    Raises:
        OnlyLibav: There are several or none, or something that may count is not understood here.
    """
    identifier, size, begin = head_at(source, 0)
    if identifier != _EBML or size is None or size > _MAX_HEADER_BYTES:
        raise OnlyLibav
    if dict(elements(source.read(begin, size))).get(_DOC_TYPE) not in (b"matroska", b"webm"):
        raise OnlyLibav
    identifier, _, position = head_at(source, begin + size)
    if identifier != _SEGMENT:
        raise OnlyLibav
    found: dict[int, bytes] = {}
    for _ in range(_MAX_ELEMENTS):
        identifier, size, begin = head_at(source, position)
        if identifier == _CLUSTER:
            return _track(source, found, begin)
        if size is None:
            raise OnlyLibav
        if identifier in (_INFO, _TRACKS):
            if identifier in found or size > _MAX_HEADER_BYTES:
                raise OnlyLibav
            found[identifier] = source.read(begin, size)
        elif identifier not in _SKIPPED:
            raise OnlyLibav
        position = begin + size
    raise OnlyLibav


def _track(source: Source, found: dict[int, bytes], cluster: int) -> Track:
    if not {_INFO, _TRACKS} <= found.keys():
        raise OnlyLibav
    info = dict(elements(found[_INFO]))
    if _DURATION not in info:
        raise OnlyLibav
    scale_ns = int.from_bytes(info.get(_TIMESTAMP_SCALE, b"\x0f\x42\x40"))
    file_us = int(_real(info[_DURATION]) * scale_ns * 1000 / 1_000_000)
    entries = [_entry(data) for kind, data in elements(found[_TRACKS]) if kind == _ENTRY]
    types = [_unsigned(entry, _TYPE) for entry in entries]
    if types.count(_VIDEO_TYPE) != 1 or not set(types) <= _TYPES:
        raise OnlyLibav
    entry = entries[types.index(_VIDEO_TYPE)]
    video = _only(entry.get(_VIDEO, b""), _VIDEO_KNOWN)
    size = Size(_unsigned(video, _WIDTH), _unsigned(video, _HEIGHT))
    codec = _CODECS.get(entry.get(_CODEC_ID, b"").rstrip(b"\0"))
    period_ns = _unsigned(entry, _DEFAULT_DURATION)
    if codec is None or 0 in (size.width, size.height, period_ns):
        raise OnlyLibav
    return Track(
        container=NAME,
        codec=codec,
        header=entry.get(_PRIVATE, b""),
        size=size,
        packet=_first_block(source, cluster, _unsigned(entry, _NUMBER)),
        timing=Timing(
            rate_hz=Fraction(*reduced(_NS_PER_S, period_ns, _MAX_RATE_TERM)),
            duration_s=file_us / 1_000_000,
        ),
        file_us=file_us,
        aspect=_aspect(video, size),
        tags=_colours(video),
        has_audio=_AUDIO_TYPE in types,
    )


def _entry(data: bytes) -> dict[int, bytes]:
    entry = _only(data, _ENTRY_KNOWN)
    if _CODEC_ID not in entry or _NUMBER not in entry:
        raise OnlyLibav
    return entry


def _only(data: bytes, allowed: frozenset[int]) -> dict[int, bytes]:
    """Return elements by identifier.

    Raises:
        OnlyLibav: Another is there, or one comes twice.
    """
    found: dict[int, bytes] = {}
    for identifier, value in elements(data):
        if identifier not in allowed or identifier in found:
            raise OnlyLibav
        found[identifier] = value
    return found


def _unsigned(found: Mapping[int, bytes], identifier: int, default: int = 0) -> int:
    value = found.get(identifier)
    if value is None:
        return default
    if len(value) > 8:
        raise OnlyLibav
    return int.from_bytes(value)


def _real(value: bytes) -> float:
    if len(value) not in (4, 8):
        raise OnlyLibav
    (number,) = struct.unpack(">f" if len(value) == 4 else ">d", value)
    if not 0 < number < _MAX_DURATION:
        raise OnlyLibav
    return float(number)


def _aspect(video: Mapping[int, bytes], size: Size) -> Fraction | None:
    """Return the shape of pixels that the size on a screen makes, None if its unit is none."""
    if _unsigned(video, _SHOWN_UNIT) >= _NO_UNIT:
        return None
    wide = _unsigned(video, _SHOWN_WIDTH) or size.width
    high = _unsigned(video, _SHOWN_HEIGHT) or size.height
    return Fraction(size.height * wide, size.width * high)


def _colours(video: Mapping[int, bytes]) -> ColourTags:
    colour = dict(elements(video.get(_COLOUR, b"")))
    return ColourTags(
        matrix=known(_unsigned(colour, _MATRIX, UNSPECIFIED), MATRICES),
        transfer=known(_unsigned(colour, _TRANSFER, UNSPECIFIED), TRANSFERS),
        range=_unsigned(colour, _RANGE),
    )


def _first_block(source: Source, position: int, track: int) -> tuple[int, int]:
    """Return where the data of a track's first block begin, and their size in bytes.

    Raises:
        OnlyLibav: The first cluster begins with many other blocks, or frames share a block.
    """
    for _ in range(_MAX_ELEMENTS):
        identifier, size, begin = head_at(source, position)
        if size is None:
            raise OnlyLibav
        position = begin + size
        if identifier in _IN_CLUSTER:
            continue
        if identifier == _GROUP:
            identifier, block_bytes, begin = head_at(source, begin)
            if identifier != _BLOCK or block_bytes is None or begin + block_bytes > position:
                raise OnlyLibav
            size = block_bytes
        elif identifier != _SIMPLE_BLOCK:
            raise OnlyLibav
        head = source.read(begin, min(size, 12))
        number, place = number_at(head, 0)
        if place + 3 > len(head):
            raise OnlyLibav
        if number == track:
            if head[place + 2] & _LACING:
                raise OnlyLibav
            return begin + place + 3, size - place - 3
    raise OnlyLibav
