"""Opening one media file so that libav can touch nothing else.

libav is given a file object and no name, so that no name can act as a pattern, a protocol or an
option.  It may use no protocol, so that no demuxer can open another file or a socket.  Demuxers
of playlists and of plain text are left out.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Protocol

import av
from av.container import InputContainer
from av.container.core import Flags
from av.error import FFmpegError
from av.stream import Discard, Disposition
from av.video.stream import VideoStream
from msgspec import Struct, field

from shardmill.contract.errors import Corrupt, Encrypted
from shardmill.contract.schema import Item
from shardmill_worker.engine.aspect import SampleAspects
from shardmill_worker.engine.assembled.animation import DrawnMovie
from shardmill_worker.engine.assembled.heif import read_grid
from shardmill_worker.engine.assembled.tiles import open_grid
from shardmill_worker.engine.container_marks import demuxer_by_mark
from shardmill_worker.engine.damaged_packets import with_true_flags
from shardmill_worker.engine.extent import cut_off
from shardmill_worker.engine.faults import (
    CUT_OFF,
    MAX_PIXELS,
    NO_CODEC,
    DecodeLog,
    check_pixels,
    check_said_size,
    decode_log,
    media_faults,
)
from shardmill_worker.engine.formats.by_libav import begins_as_tga
from shardmill_worker.engine.formats.jpeg import begins_as_jpeg
from shardmill_worker.engine.formats.webp import is_animated_webp
from shardmill_worker.engine.formats.webp_animation import read_animation
from shardmill_worker.engine.input_file import InputFile, NamelessFile, open_item
from shardmill_worker.engine.refusals import refuse_by_content, refuse_by_header
from shardmill_worker.engine.stopwatch import Stopwatch
from shardmill_worker.engine.stream_choice import choose_stream, moving_pictures

READ_SIZE_BYTES: Final = 1 << 16

_POINTERS: Final = frozenset(
    {"concat", "dash", "hls", "imf", "image2", "image2pipe", "lavfi", "rtp", "rtsp", "sap", "sdp"}
    | {"vobsub", "webm_dash_manifest"}
)
"""Demuxers that open what a file names."""
_TEXT: Final = frozenset(
    {"adf", "bin", "idf", "tty", "xbin"}
    | {"aqtitle", "ass", "jacosub", "lrc", "mcc", "microdvd", "mpl2", "mpsub", "pjs", "realtext"}
    | {"sami", "scc", "srt", "stl", "subviewer", "subviewer1", "tedcaptions", "vplayer", "webvtt"}
    | {"ffmetadata", "sbg"}
)
"""Demuxers that draw any text as pictures, and of subtitles and other text."""
_NEED_A_NAME: Final = frozenset({".tga", ".pgm", ".ppm", ".pbm", ".pnm"})
"""Picture formats that libav knows by suffix only, some or all of the time."""
_TGA_HEAD_BYTES: Final = 18
JPEG_STREAMS: Final = (".mjpeg", ".mjpg", ".mjpe")
"""Names of JPEG pictures one behind the other that are a video."""
_END_IN_ERROR: Final = frozenset({"gxf"})
"""Demuxers that give an error (EPERM) where there are no more packets."""
AS_USUAL: Final[Mapping[str, str]] = MappingProxyType({})
_QUICK_OPEN: Final = {
    "probesize": "32",
    "analyzeduration": "1",
    "fpsprobesize": "0",
    "codec_whitelist": NO_CODEC,
}
"""libav believes the container's header: to guess the rest it may use no codec."""
_QUICK_DECODING: Final = {"skip_loop_filter": "all", "ec": "0"}
"""A frame is looked at, its pixels are not."""
_NOT_OPENED: Final = "The file cannot be opened as video or image"


def _formats(left_out: frozenset[str]) -> str:
    known = {name for name in av.formats_available if not left_out & set(name.split(","))}
    return ",".join(sorted(known))


_ALLOWED: Final = _formats(_POINTERS | _TEXT)


class Original(Struct, frozen=True):
    """What a file is whose pictures libav alone cannot put together."""

    format_name: str
    """Container, as FFmpeg names it."""
    codec_name: str
    """Codec of the parts that the pictures are made of."""
    orientation: int
    """As in EXIF, 1 to 8."""


class Reopen(Protocol):
    """Opens the file at its beginning, as often as it is called."""

    def __call__(self) -> "AbstractContextManager[Media]":
        """Return the open file."""
        ...


class Media(Struct, frozen=True):
    """An open file and the video stream that FFmpeg would choose."""

    container: InputContainer
    """The file, or whole pictures made of it in its stead."""
    stream: VideoStream
    file: InputFile
    log: DecodeLog
    """What libav complains of."""
    aspects: SampleAspects
    """Width to height of stored pixels."""
    original: Original | None = None
    """What the file is, where ``container`` stands in for it."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    """Told what is done with it."""
    said_cut_off: bool = False
    """Whether libav, which reads ahead to open a file, has found it cut off in doing so."""

    @property
    def format_name(self) -> str:
        """The file's container, as FFmpeg names it."""
        return self.original.format_name if self.original else self.container.format.name

    @property
    def codec_name(self) -> str:
        """The file's codec, as FFmpeg names it."""
        if self.original:
            return self.original.codec_name
        return self.stream.codec_context.codec.canonical_name

    @property
    def bit_rate(self) -> int | None:
        """Bits per second of the file, None if nothing tells."""
        if not self.original:
            return self.container.bit_rate or None
        length_s = (self.stream.duration or 0) * self.time_base
        size_bits = 8 * self.file.size_bytes
        return round(size_bits / length_s) if length_s else None

    def packets(self) -> "Iterator[av.Packet[VideoStream]]":
        """Yield the stream's packets, in the order of the file.

        Those that the container says are damaged are flagged as corrupt, but for what is only cut
        off, at the file's end, and for joints of two recordings.

        Raises:
            Corrupt: The file is cut off, and its container lets that be known.
            Encrypted: A packet needs a key.
        """
        name = self.container.format.name
        yield from with_true_flags(self._demuxed(), name, self.time_base)

    def _demuxed(self) -> "Iterator[tuple[av.Packet[VideoStream], bool]]":
        """Yield packets, each with whether libav complained of it."""
        try:
            for packet in self.container.demux(self.stream):
                if not packet.size:
                    continue
                self.stopwatch.was("demux")
                if packet.has_sidedata("encryption_info"):
                    raise Encrypted("The video is encrypted.")
                yield packet, self.log.damage(starts_between=True) is not None
        except (Corrupt, FFmpegError) as error:
            is_end = isinstance(error, av.error.PermissionError)
            if not (is_end and self.format_name in _END_IN_ERROR):
                self.log.texts()  # the error says it
                raise
        except IndexError:
            # Behind the last packet PyAV 18.1 flushes streams too that began in mid-file, of
            # which it knows nothing.
            pass
        complaint = self.log.damage()
        damage = cut_off(self.file, self.format_name) or complaint
        if damage is None and self.said_cut_off:
            damage = Corrupt(CUT_OFF)
        if damage is not None:
            raise damage

    @property
    def time_base(self) -> Fraction:
        """Seconds in a unit of the stream's clock."""
        return self.stream.time_base or Fraction(1, 1_000_000)


@contextmanager
def open_media(root: str, item: Item, *, stopwatch: Stopwatch | None = None) -> Iterator[Media]:
    """Open an item of an input directory for demuxing and decoding, one thread each.

    Args:
        root: Input directory.
        item: File below it.
        stopwatch: Told what is done with the file; by default one that nobody looks at.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone, with or without cover art.
        EnvironmentFault: The input directory itself is missing.
    """
    with open_item(root, item) as file, media_of(file, item, stopwatch=stopwatch) as media:
        yield media


@contextmanager
def media_of(
    file: InputFile,
    item: Item,
    *,
    quick: bool = False,
    stopwatch: Stopwatch | None = None,
) -> Iterator[Media]:
    """Let libav open a file that is open, from its beginning, as often as it is called.

    Args:
        file: The file.
        item: What it is an item of.
        quick: Believe the container's header, and decode no picture to be seen.
        stopwatch: Told what is done with the file; by default one that nobody looks at.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone, with or without cover art.
    """
    with decode_log() as log:
        refuse_by_header(file, item)
        with _open_pictures(file, item, quick=quick) as (container, original):
            stream = choose_stream(container)
            if not (quick or stream.codec_context.width):
                _refuse_size_of(file, item)
            stream.thread_count = 1
            stream.thread_type = "NONE"
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all
            strictness = _strictness(container, stream)
            stream.codec_context.options = {
                "max_pixels": str(MAX_PIXELS),
                **strictness,
                **(_QUICK_DECODING if quick else {}),
            }
            watch = stopwatch or Stopwatch()
            watch.was("open")
            # To guess what the header leaves out, libav decoded in advance: only that counts.
            said_cut_off = log.says_cut_off()
            aspects = SampleAspects(stream)
            yield Media(container, stream, file, log, aspects, original, watch, said_cut_off)


@contextmanager
def _open_pictures(
    file: InputFile, item: Item, *, quick: bool
) -> Iterator[tuple[InputContainer, Original | None]]:
    """Open the file, or where libav sees parts of pictures, the whole ones in its stead."""
    if is_animated_webp(file.pread(21, 0)):
        animation = read_animation(file)
        with media_faults(_NOT_OPENED):
            movie = _open(DrawnMovie(file, animation), demuxer="mov")
        with movie:
            yield movie, Original("webp_pipe", "webp", animation.orientation)
        return
    with _open_container(file, item, quick=quick) as container:
        grid = read_grid(file) if _may_be_grid(container) else None
        if grid is None:
            yield container, None
            return
        check_pixels(grid.width, grid.height)
        with open_grid(container, grid) as whole:
            codec = next(
                s.codec_context.codec for s in container.streams.video if s.id in grid.tiles
            )
            original = Original(container.format.name, codec.canonical_name, grid.orientation)
            yield whole, original


def _may_be_grid(container: InputContainer) -> bool:
    """Return whether there are tiles, and beside them no more than thumbnails."""
    tiles = any(s.disposition & Disposition.dependent for s in container.streams.video)
    return tiles and all(s.frames == 1 for s in moving_pictures(container))


def is_of_pictures(format_name: str) -> bool:
    """Return whether files of a format hold one picture each, or are taken for one."""
    return format_name.endswith("_pipe") or format_name == "image2pipe"


def is_jpeg_stream(item: Item) -> bool:
    """Return whether a file of JPEG pictures one behind the other is a video, by its name."""
    return os.path.splitext(item.path)[1].lower() in JPEG_STREAMS


def _open_container(file: InputFile, item: Item, *, quick: bool) -> InputContainer:
    suffix = os.path.splitext(item.path)[1].lower()
    with media_faults(_NOT_OPENED):
        if begins_as_jpeg(file.size_bytes, file.pread):
            # libav would go by what follows the first picture, and calls either the other.
            demuxer: str | None = "mjpeg" if is_jpeg_stream(item) else "jpeg_pipe"
            return _open(NamelessFile(file), _QUICK_OPEN if quick else AS_USUAL, demuxer=demuxer)
        if suffix == ".tga" and begins_as_tga(file.pread(_TGA_HEAD_BYTES, 0)):
            return _open_named(file, suffix)  # libav would try every other format first
        demuxer = demuxer_by_mark(file)
        try:
            return _open(NamelessFile(file), _QUICK_OPEN if quick else AS_USUAL, demuxer=demuxer)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            refuse_by_content(file)
            if suffix not in _NEED_A_NAME:
                raise
            return _open_named(file, suffix)


def _open_named(file: InputFile, suffix: str) -> InputContainer:
    """Open a picture by its suffix, as one packet."""
    named = NamelessFile(file, f"picture{suffix}")
    return _open(named, {"frame_size": str(file.size_bytes)}, demuxer="image2pipe")


def _refuse_size_of(file: InputFile, item: Item) -> None:
    """Raise if libav took the picture's size for none since it is too large; its log tells."""
    with decode_log() as log, _open_container(file, item, quick=False):
        pass
    for text in log.texts():
        check_said_size(text)


def _open(
    file: NamelessFile | DrawnMovie,
    format_options: Mapping[str, str] = AS_USUAL,
    *,
    demuxer: str | None = None,
) -> InputContainer:
    file.seek(0)
    container = av.open(
        file,
        "r",
        format=demuxer,
        options={"threads": "1", "max_pixels": str(MAX_PIXELS)},
        container_options={
            "format_whitelist": demuxer or _ALLOWED,
            "protocol_whitelist": "none",
            **format_options,
        },
        metadata_errors="replace",
        buffer_size=READ_SIZE_BYTES,
    )
    # PyAV asks for it, the ffmpeg program does not: in AVI with B-frames it invents wrong times.
    container.flags &= ~Flags.gen_pts.value  # type: ignore[operator]  # PyAV's stub
    return container


def _strictness(container: InputContainer, stream: VideoStream) -> dict[str, str]:
    """Return decoder options that leave less to libav's goodwill.

    A broken JPEG is an error instead of a half-grey picture.  A frame of H.264 that comes later
    than libav's guess at the order is waited for instead of dropped.
    """
    if container.format.name == "jpeg_pipe":
        return {"err_detect": "explode"}
    return {"strict": "strict"} if stream.codec_context.codec.name == "h264" else {}
