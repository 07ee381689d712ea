"""Finding out what a file is, as cheaply as the truth allows.

The container says how much there is, the first frame what it looks like.  A quick open believes
the container's header, which takes a tenth of the time; where the header leaves something out,
or belongs to a format whose header cannot be believed, a full open decides.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av

from shardmill.contract.errors import ItemError
from shardmill.contract.geometry import Size
from shardmill.contract.manifest import Facts, Item, Kind
from shardmill_worker.engine.colour_names import HDR_TRANSFERS, MATRICES, RANGES, TRANSFERS
from shardmill_worker.engine.decode import SourceFrame, source_frames
from shardmill_worker.engine.media import Media, moving_pictures, open_media
from shardmill_worker.engine.orientation import orientation_of

_QUICK_OPEN: Final = {
    "probesize": "32",
    "analyzeduration": "1",
    "fpsprobesize": "0",
    "skip_frame": "all",
}
"""libav believes the container's header and decodes nothing to guess the rest."""
_QUICK_FORMATS: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"})
"""Video formats whose header says what a full open would find out, or leaves it out."""
_STILL_FORMATS: Final = frozenset({"ico", "fits"})
"""Formats of single pictures, besides those of one file a picture whose names end in ``pipe``."""
_ANIMATED_FORMATS: Final = frozenset({"gif", "apng"})
"""Formats that hold one picture or several."""
_ANIMATED_BRANDS: Final = frozenset({"avif", "avis", "heic", "heix", "hevc", "mif1", "msf1"})
"""ISO-BMFF brands that hold one picture or several."""
_MAX_RATE: Final = 240
"""A higher rate is the clock's resolution, not a rate."""
_RATE_TOLERANCE: Final = Fraction(1, 100)


def probe_item(root: str, item: Item) -> Facts:
    """Return what a file is.

    Raises:
        ItemError: The file cannot be used.
        Skip: The file holds sound alone.
        EnvironmentFault: The input directory is missing.
    """
    try:
        facts = _look(root, item, _QUICK_OPEN)
    except ItemError:
        return _look(root, item, {})
    return facts if _is_whole_truth(facts) else _look(root, item, {})


def _look(root: str, item: Item, libav_options: dict[str, str]) -> Facts:
    with open_media(root, item, **libav_options) as media:
        frames = source_frames(media, advance=lambda: None)
        first = next(frames).picture
        return _facts(media, first, _kind(media, frames))


def _is_whole_truth(facts: Facts) -> bool:
    """Return whether a full open would say the same."""
    name = facts.container or ""
    if facts.kind == "image":
        return name.endswith("pipe")
    return name in _QUICK_FORMATS and facts.fps is not None and facts.vfr is not None


def _kind(media: Media, rest: Iterator[SourceFrame]) -> Kind:
    """Return ``image`` for one picture: in a picture format, a second one decides."""
    name = media.format_name
    brand = media.container.metadata.get("major_brand", "").strip()
    if media.original or name in _ANIMATED_FORMATS or brand in _ANIMATED_BRANDS:
        return "image" if next(rest, None) is None else "video"
    return "image" if name.endswith("pipe") or name in _STILL_FORMATS else "video"


def _facts(media: Media, frame: av.VideoFrame, kind: Kind) -> Facts:
    container, stream = media.container, media.stream
    orientation = orientation_of(media, frame)
    stored = Size(frame.width, frame.height)
    display = orientation.display_size(stored, media.sample_aspect)
    transfer = TRANSFERS.get(frame.color_trc)
    moving = kind == "video"
    average, base = _plausible(stream.average_rate), _plausible(stream.base_rate)
    rate = average or _plausible(stream.guessed_rate)
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
        sample_aspect=f"{media.sample_aspect.numerator}:{media.sample_aspect.denominator}",
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in frame.format.components),
        color_matrix=MATRICES.get(frame.colorspace),
        color_range=RANGES.get(frame.color_range),
        color_transfer=transfer,
        hdr=transfer in HDR_TRANSFERS,
        video_streams=len(moving_pictures(container)),
        fps=float(rate) if moving and rate else None,
        vfr=_varies(average, base) if moving else None,
        frames_header=stream.frames or None,
        duration_s=_duration_s(media) if moving else None,
        bit_rate=media.bit_rate,
        has_audio=bool(container.streams.audio),
    )


def _plausible(rate: Fraction | None) -> Fraction | None:
    return rate if rate and 0 < rate <= _MAX_RATE else None


def _varies(average: Fraction | None, base: Fraction | None) -> bool | None:
    """Compare the average with the rate that fits every time; interlaced ones are twice as high."""
    if not average or not base:
        return None
    return all(abs(average * n / base - 1) > _RATE_TOLERANCE for n in (1, 2))


def _duration_s(media: Media) -> float | None:
    if media.stream.duration:
        return float(media.stream.duration * media.time_base)
    if media.container.duration:
        return media.container.duration / av.time_base
    return None
