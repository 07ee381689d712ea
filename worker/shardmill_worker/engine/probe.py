"""Finding out what a file is, as cheaply as the truth allows.

Plain pictures are read without a decoder.  Of a video the container says how much there is and
the first frame what it looks like, or the head of its packet.  A quick open believes the
container's header, which takes a tenth of the time; where the header leaves something out, or
belongs to a format whose header cannot be believed, a full open decides, and where that leaves
the rate open the first packets.
"""

from collections.abc import Iterator
from typing import Final

import av
from msgspec.structs import replace

from shardmill.contract.errors import Corrupt, ItemError, Skip
from shardmill.contract.options.geometry import Size
from shardmill.contract.schema import Facts, Item, Kind
from shardmill_worker.engine.aspect import SQUARE
from shardmill_worker.engine.bitstream import head_of
from shardmill_worker.engine.colour_names import HDR_TRANSFERS, MATRICES, RANGES, TRANSFERS
from shardmill_worker.engine.decode import SourceFrame, source_frames
from shardmill_worker.engine.extent import cut_off
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.input_file import open_item
from shardmill_worker.engine.media import (
    Media,
    is_jpeg_stream,
    is_of_pictures,
    moving_pictures,
    open_media,
)
from shardmill_worker.engine.orientation import orientation_of
from shardmill_worker.engine.pages import pages_in
from shardmill_worker.engine.plain import plain_facts
from shardmill_worker.engine.source import Source
from shardmill_worker.engine.times import has_even_index, measured_pace

_ISO_BMFF: Final = "mov,mp4,m4a,3gp,3g2,mj2"
_QUICK_FORMATS: Final = frozenset({_ISO_BMFF, "matroska,webm", "avi"})
"""Video formats whose header says what a full open would find out, or leaves it out."""
_FULLY_OPENED: Final = frozenset({"png_pipe"})
"""Formats of which libav tells all, as a PNG's gamma, only where opening decodes a picture."""
_STILL_FORMATS: Final = frozenset({"ico", "fits"})
"""Formats of single pictures, besides those of one file a picture."""
_ANIMATED_FORMATS: Final = frozenset({"gif", "apng"})
"""Formats that hold one picture or several."""
_ANIMATED_BRANDS: Final = frozenset(
    {"avif", "avis", "heic", "heix", "hevc", "hevx", "jpeg", "jpgs", "mif1", "mif2", "msf1"}
)
"""ISO-BMFF brands that hold one picture or several."""
_MEASURED_FORMATS: Final = _ANIMATED_FORMATS | {_ISO_BMFF, "webp_pipe"}
"""Formats whose times cost little to read: small files, and those with an index."""
_MAX_RATE: Final = 240
"""A higher rate is the clock's resolution, not a rate."""


def probe_item(root: str, item: Item) -> Facts:
    """Return what a file is.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
        EnvironmentFault: The input directory is missing.
    """
    facts = plain_look(root, item) or quick_look(root, item) or full_look(root, item)
    return _with_pace(root, item, facts)


def refuse_cut_off(root: str, item: Item, facts: Facts) -> None:
    """Raise for a video that is shorter than its container declares.

    Raises:
        Corrupt: It is.
        EnvironmentFault: The input directory is missing.
    """
    if facts.kind == "video":
        with open_item(root, item) as file, media_faults("The file cannot be read"):
            if (damage := cut_off(file, facts.container or "")) is not None:
                raise damage


def plain_look(root: str, item: Item) -> Facts | None:
    """Return what the header of a plain picture says, None for any other file.

    Raises:
        ItemError: The file cannot be opened.
        EnvironmentFault: The input directory is missing.
    """
    if is_jpeg_stream(item):
        return None
    with open_item(root, item) as file, media_faults("The file cannot be read"):
        return plain_facts(Source(file.pread, file.size_bytes))


def quick_look(root: str, item: Item) -> Facts | None:
    """Return what a quick open shows, None if a full open could show more or other.

    It sees the first packet's stream alone where the header lists none, so that a video whose sound
    comes first seems to be sound.

    Raises:
        EnvironmentFault: The input directory is missing.
    """
    try:
        with open_media(root, item, quick=True) as media:
            if media.format_name in _FULLY_OPENED:
                return None
            facts = _by_frames(media) if _may_be_one(media) else _by_first_packet(media)
    except (ItemError, Skip):
        return None
    name = facts.container or ""
    if facts.kind == "image":
        whole = is_of_pictures(name)
    else:
        whole = name in _QUICK_FORMATS and facts.fps is not None
    return facts if whole else None


def full_look(root: str, item: Item) -> Facts:
    """Return what a full open shows.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
        EnvironmentFault: The input directory is missing.
    """
    with open_media(root, item) as media:
        return _by_frames(media)


def _by_frames(media: Media) -> Facts:
    """Return what the first frame shows, and the second where its being there counts."""
    frames = source_frames(media, advance=lambda: None)
    first = next(frames).picture
    return facts_of(media, first, kind_of(media, frames))


def _by_first_packet(media: Media) -> Facts:
    """Return what the first packet's frame shows: a decoder that waits for more is not heeded.

    Raises:
        Corrupt: It gives no frame.
    """
    context = media.stream.codec_context
    with media_faults("The first packet cannot be decoded"):
        packet = next(media.packets(), None)
        if packet is None:
            raise Corrupt("There is no packet.")
        head = head_of(context, packet)
        pictures = context.decode(packet if head is None else av.Packet(head))
        pictures += context.decode(None)
    if not pictures:
        raise Corrupt("The first packet gives no frame.")
    return facts_of(media, pictures[0], kind_of(media, iter(())))


def _with_pace(root: str, item: Item, facts: Facts) -> Facts:
    """Fill in the times that the header leaves out."""
    open_question = facts.vfr is None and facts.container in _MEASURED_FORMATS
    if facts.kind != "video" or not (facts.fps is None or open_question):
        return facts
    pace = measured_pace(root, item)
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
    return bool(
        media.original or media.format_name in _ANIMATED_FORMATS or brand in _ANIMATED_BRANDS
    )


def facts_of(media: Media, frame: av.VideoFrame, kind: Kind) -> Facts:
    """Return what an open file is, with the first frame of it."""
    container, stream = media.container, media.stream
    orientation = orientation_of(media, frame)
    stored = Size(frame.width, frame.height)
    aspect = media.aspects.first
    moving = kind == "video"
    display = orientation.display_size(stored, aspect if moving else SQUARE)
    transfer = TRANSFERS.get(frame.color_trc)
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
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in frame.format.components),
        color_matrix=MATRICES.get(frame.colorspace),
        color_range=RANGES.get(frame.color_range),
        color_transfer=transfer,
        hdr=transfer in HDR_TRANSFERS,
        video_streams=len(moving_pictures(container)),
        fps=float(rate) if moving and rate and 0 < rate <= _MAX_RATE else None,
        vfr=False if moving and has_even_index(media) else None,
        frames_header=stream.frames or None,
        pages=None if moving else pages_in(media.file, media.codec_name),
        duration_s=_duration_s(media) if moving else None,
        bit_rate=media.bit_rate if moving else None,
        has_audio=bool(container.streams.audio),
    )


def _duration_s(media: Media) -> float | None:
    if media.stream.duration:
        return float(media.stream.duration * media.time_base)
    if media.container.duration:
        return media.container.duration / av.time_base
    return None
