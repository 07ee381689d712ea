"""Finding out what a file is, as cheaply as the truth allows.

A file is opened once and looked at in up to four ways, the cheapest first; each answers what a
full decode would, or leaves the file to the next.  Pictures and plain videos are read by
their headers, without native code.  A quick open believes the container's header and decodes the
head of the first packet.  A full open guesses at what the header leaves out.  At last the first
frame is decoded.  Where the header leaves the rate open, the first packets tell it.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Final, Self

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import Corrupt, ItemError, Skip
from shardmill.contract.options.geometry import Size
from shardmill.contract.schema import Facts, Item, Kind
from shardmill_worker.engine.aspect import SQUARE
from shardmill_worker.engine.bitstream import changes_looks, head_of, is_moved
from shardmill_worker.engine.colour_names import HDR_TRANSFERS, MATRICES, RANGES, TRANSFERS
from shardmill_worker.engine.container_marks import says_little
from shardmill_worker.engine.containers import PICTURE_BRANDS, header_facts
from shardmill_worker.engine.containers.track import MAX_RATE_HZ
from shardmill_worker.engine.decode import SourceFrame, source_frames
from shardmill_worker.engine.extent import cut_off
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.formats import HEAD_BYTES, read_picture
from shardmill_worker.engine.formats.by_libav import is_whole_jpeg_2000, pages_in
from shardmill_worker.engine.formats.exif import UPRIGHT, Orientation
from shardmill_worker.engine.input_file import InputFile, open_item
from shardmill_worker.engine.media import Media, is_jpeg_stream, is_of_pictures, media_of
from shardmill_worker.engine.orientation import orientation_of
from shardmill_worker.engine.source import Source
from shardmill_worker.engine.stream_choice import moving_pictures
from shardmill_worker.engine.times import has_even_index, measured_pace

_ISO_BMFF: Final = "mov,mp4,m4a,3gp,3g2,mj2"
_QUICK_FORMATS: Final = frozenset({_ISO_BMFF, "matroska,webm", "avi"})
"""Video formats whose header says what a full open would find out, or leaves it out."""
_TOLD_BY_PARAMETERS: Final = frozenset({"j2k_pipe"})
"""Formats of which a full open reads all from the header, and whose decoding takes long."""
_FULLY_OPENED: Final = frozenset({"png_pipe"}) | _TOLD_BY_PARAMETERS
"""Formats of which libav tells all, as a PNG's gamma, only in a full open."""
_STILL_FORMATS: Final = frozenset({"ico", "fits"})
"""Formats of single pictures, besides those of one file a picture."""
_ANIMATED_FORMATS: Final = frozenset({"gif", "apng"})
"""Formats that hold one picture or several."""
_MEASURED_FORMATS: Final = _ANIMATED_FORMATS | {_ISO_BMFF, "webp_pipe"}
"""Formats whose times cost little to read: small files, and those with an index."""
_KNOWN_FORMATS: Final = frozenset({"asf", "avi", "flv", "mpeg", "mpegts", "mpegvideo", "ogg"})
_KNOWN_CODECS: Final = frozenset(
    {"flv1", "h263", "h264", "hevc", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1"}
    | {"msmpeg4v2", "msmpeg4v3", "theora", "wmv1", "wmv2", "wmv3", "vc1"}
)
"""Formats, and codecs in them, of which an open file's parameters are its first picture's."""
_WITH_MESSAGES: Final = frozenset({"h264", "hevc"})
"""Codecs whose packets may say more of a picture than a stream's parameters hold."""


def probe_item(root: str, item: Item, *, keep_partial: bool = True) -> Facts:
    """Return what a file is; it is opened once.

    Args:
        root: Input directory.
        item: File below it.
        keep_partial: Whether a video may be shorter than its container declares.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
        EnvironmentFault: The input directory is missing.
    """
    with open_item(root, item) as file:
        facts = (
            picture_look(file, item)
            or header_look(file)
            or quick_look(file, item)
            or opened_look(file, item)
        )
        if facts.kind == "video" and not keep_partial:
            with media_faults("The file cannot be read"):
                if (damage := cut_off(file, facts.container or "")) is not None:
                    raise damage
    return facts


def picture_look(file: InputFile, item: Item) -> Facts | None:
    """Return what the header of a picture says, None for any other file."""
    if is_jpeg_stream(item):
        return None
    with media_faults("The file cannot be read"):
        return read_picture(file.pread(HEAD_BYTES, 0), file.size_bytes, file.pread)


def header_look(file: InputFile) -> Facts | None:
    """Return what the header of a plain video says, None for any other file."""
    with media_faults("The file cannot be read"):
        return header_facts(Source(file.pread, file.size_bytes))


def quick_look(file: InputFile, item: Item) -> Facts | None:
    """Return what a quick open shows, None if a full open could show more or other.

    It sees the first packet's stream alone where the header lists none, so that a video whose sound
    comes first seems to be sound.
    """
    if says_little(file):
        return None
    try:
        with media_of(file, item, quick=True) as media:
            return None if media.format_name in _FULLY_OPENED else _quick_facts(media)
    except (ItemError, Skip):
        return None


def _quick_facts(media: Media) -> Facts | None:
    """Return what a quickly opened file shows, None if its header leaves out what counts."""
    if _may_be_one(media):
        facts, packets = _by_frames(media), None
    else:
        facts, packets = _by_first_packet(media)
    name = facts.container or ""
    if facts.kind == "image":
        return facts if is_of_pictures(name) or name == _ISO_BMFF else None
    if name not in _QUICK_FORMATS or facts.fps is None:
        return None
    if packets is None:
        return facts if _has_pace(facts) else None
    return _with_pace(media, facts, packets)


def opened_look(file: InputFile, item: Item) -> Facts:
    """Return what a full open shows; what it has found out already is not decoded again.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
    """
    with media_of(file, item) as media:
        is_told = media.format_name in _TOLD_BY_PARAMETERS
        facts = _of_jpeg_2000(media) if is_told else _by_parameters(media)
        if facts is not None:
            return facts
    return full_look(file, item)


def full_look(file: InputFile, item: Item) -> Facts:
    """Return what a full open and the first frame show.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
    """
    with media_of(file, item) as media:
        facts = _by_frames(media)
    if _has_pace(facts):
        return facts
    with media_of(file, item) as media:
        return _with_pace(media, facts, media.packets())


def _by_frames(media: Media) -> Facts:
    """Return what the first frame shows, and the second where its being there counts."""
    frames = source_frames(media, advance=lambda: None)
    first = next(frames).picture
    return facts_of(media, Shown.in_frame(media, first), kind_of(media, frames))


def _by_parameters(media: Media) -> Facts | None:
    """Return what an open file's parameters say, None if a picture may say otherwise.

    To guess at what is not in the header, libav has decoded pictures already.
    """
    context = media.stream.codec_context
    if media.format_name not in _KNOWN_FORMATS or media.codec_name not in _KNOWN_CODECS:
        return None
    pix_fmt = context.format
    if not context.width or pix_fmt is None:
        return None
    if media.codec_name in _WITH_MESSAGES:
        first = None
        with suppress(FFmpegError, IndexError):
            first = next(media.container.demux(media.stream), None)
        if first is None or not first.is_keyframe or changes_looks(context, first):
            return None
    elif media.codec_name == "theora" and is_moved(bytes(context.extradata or b"")):
        return None
    facts = facts_of(media, Shown.in_parameters(context, pix_fmt), "video")
    if _has_pace(facts):
        return facts
    is_at_its_beginning = media.codec_name not in _WITH_MESSAGES
    return _with_pace(media, facts, media.packets()) if is_at_its_beginning else None


def _of_jpeg_2000(media: Media) -> Facts | None:
    """Return what the header of a whole JPEG 2000 says, None if it is not whole."""
    if not is_whole_jpeg_2000(media.file.size_bytes, media.file.pread):
        return None
    context = media.stream.codec_context
    if context.format is None:
        raise Corrupt("The header names no pixel format that is known.")
    shown = Shown.in_parameters(context, context.format)
    return facts_of(media, replace(shown, orientation=orientation_of(media, context)), "image")


def _by_first_packet(media: Media) -> tuple[Facts, "Iterator[av.Packet[VideoStream]]"]:
    """Return what the first packet's frame shows: a decoder that waits for more is not heeded.

    Returns:
        The facts, and all packets from the first one on.

    Raises:
        Corrupt: It gives no frame.
    """
    context = media.stream.codec_context
    packets = media.packets()
    with media_faults("The first packet cannot be decoded"):
        packet = next(packets, None)
        if packet is None:
            raise Corrupt("There is no packet.")
        head = head_of(context, packet)
        pictures = context.decode(packet if head is None else av.Packet(head))
        pictures += context.decode(None)
    if not pictures:
        raise Corrupt("The first packet gives no frame.")
    shown = Shown.in_frame(media, pictures[0])
    return facts_of(media, shown, kind_of(media, iter(()))), chain([packet], packets)


def _has_pace(facts: Facts) -> bool:
    """Return whether the header told all of a video's times that could be measured."""
    open_question = facts.vfr is None and facts.container in _MEASURED_FORMATS
    return facts.kind != "video" or not (facts.fps is None or open_question)


def _with_pace(media: Media, facts: Facts, packets: "Iterator[av.Packet[VideoStream]]") -> Facts:
    """Fill in the times that the header leaves out."""
    if _has_pace(facts):
        return facts
    pace = measured_pace(packets, media.time_base)
    # The header of a fragmented MP4 counts no frames, and time from 0 instead of from the first.
    fragmented = facts.container == _ISO_BMFF and facts.frames_header is None
    claimed_s, measured_s = facts.duration_s, pace.duration_s
    return replace(
        facts,
        fps=facts.fps or pace.fps,
        vfr=pace.varies,
        duration_s=(measured_s or claimed_s) if fragmented else (claimed_s or measured_s),
    )


def kind_of(media: Media, rest: Iterator[SourceFrame]) -> Kind:
    """Return ``image`` for one picture: in a picture format, a second one decides."""
    if _may_be_one(media):
        return "image" if next(rest, None) is None else "video"
    name = media.format_name
    return "image" if is_of_pictures(name) or name in _STILL_FORMATS else "video"


def _may_be_one(media: Media) -> bool:
    """Return whether a file of this format holds one picture or several."""
    brand = media.container.metadata.get("major_brand", "").strip()
    return bool(media.original or media.format_name in _ANIMATED_FORMATS or brand in PICTURE_BRANDS)


class Shown(Struct, frozen=True):
    """What pictures look like, by a frame or by a stream's parameters."""

    size: Size
    pix_fmt: str
    bit_depth: int
    matrix: int
    range: int
    transfer: int
    orientation: Orientation = UPRIGHT

    @classmethod
    def in_frame(cls, media: Media, frame: av.VideoFrame) -> Self:
        """Return what a frame shows."""
        return cls(
            size=Size(frame.width, frame.height),
            pix_fmt=frame.format.name,
            bit_depth=_bit_depth(frame.format),
            matrix=frame.colorspace,
            range=frame.color_range,
            transfer=frame.color_trc,
            orientation=orientation_of(media, frame),
        )

    @classmethod
    def in_parameters(cls, context: VideoCodecContext, pix_fmt: av.VideoFormat) -> Self:
        """Return what an open file's parameters say."""
        return cls(
            size=Size(context.width, context.height),
            pix_fmt=pix_fmt.name,
            bit_depth=_bit_depth(pix_fmt),
            matrix=context.colorspace,
            range=context.color_range,
            transfer=context.color_trc,
        )


def _bit_depth(pix_fmt: av.VideoFormat) -> int:
    return max(component.bits for component in pix_fmt.components)


def facts_of(media: Media, shown: Shown, kind: Kind) -> Facts:
    """Return what an open file is, with what its first picture looks like."""
    container, stream = media.container, media.stream
    orientation, stored = shown.orientation, shown.size
    aspect = media.aspects.first
    moving = kind == "video"
    display = orientation.display_size(stored, aspect if moving else SQUARE)
    transfer = TRANSFERS.get(shown.transfer)
    rate = stream.average_rate
    return Facts(
        kind=kind,
        container=media.format_name,
        codec=media.codec_name,
        width=stored.width,
        height=stored.height,
        display_width=display.width,
        display_height=display.height,
        rotation_deg=orientation.rotation_deg,
        mirrored=orientation.mirrored,
        sample_aspect=f"{aspect.numerator}:{aspect.denominator}",
        pix_fmt=shown.pix_fmt,
        bit_depth=shown.bit_depth,
        color_matrix=MATRICES.get(shown.matrix),
        color_range=RANGES.get(shown.range),
        color_transfer=transfer,
        hdr=transfer in HDR_TRANSFERS,
        video_streams=len(moving_pictures(container)),
        fps=float(rate) if moving and rate and 0 < rate <= MAX_RATE_HZ else None,
        vfr=False if moving and has_even_index(media) else None,
        frames_header=stream.frames or None,
        pages=None
        if moving
        else pages_in(media.file.size_bytes, media.file.pread, media.codec_name),
        duration_s=_duration_s(media) if moving else None,
        bit_rate=media.bit_rate if moving else None,
        has_audio=bool(container.streams.audio),
    )


def _duration_s(media: Media) -> float | None:
    if media.stream.duration:
        seconds, ticks = media.time_base.as_integer_ratio()
        return media.stream.duration * seconds / ticks
    if media.container.duration:
        return media.container.duration / av.time_base
    return None
