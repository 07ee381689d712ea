"""What a header says of a picture, as the facts of a row.

Pictures of a batch share few looks.  Equal looks give one object, which is built once: a look that
was seen lately costs a look-up.
"""

from fractions import Fraction
from functools import cache, lru_cache
from typing import Final

import av
from msgspec import Struct

from shardmill.contract.schema import Facts
from shardmill_worker.engine.aspect import possible
from shardmill_worker.engine.colour_names import HDR_TRANSFERS
from shardmill_worker.engine.faults import check_pixels
from shardmill_worker.engine.formats.exif import OF_EXIF
from shardmill_worker.engine.source import OnlyLibav

MAX_LOOKS: Final = 1 << 14
"""Looks that are remembered: some megabytes."""


class Look(Struct, frozen=True, kw_only=True):
    """What a header says of one picture; names are FFmpeg's."""

    container: str
    """File format."""
    codec: str
    size: tuple[int, int]
    """Stored width and height in pixels."""
    pix_fmt: str
    """Pixel format."""
    orientation: int = 1
    """As in Exif, 1 to 8."""
    aspect: tuple[int, int] = (1, 1)
    """Width and height of a stored pixel; 0 if unknown."""
    color_matrix: str | None = None
    """Colour matrix, None if untagged."""
    color_range: str | None = None
    """Range of the values, None if untagged."""
    color_transfer: str | None = None
    """Transfer curve, None if untagged."""
    frames_header: int | None = None
    """Frames that the header claims."""
    pages: int = 1
    """Pictures in the file."""


@lru_cache(MAX_LOOKS)
def facts_of_look(look: Look) -> Facts:
    """Return the facts of a picture.

    Raises:
        OnlyLibav: A side is 0.
        TooLarge: There are too many pixels.
    """
    width, height = look.size
    if not width or not height:
        raise OnlyLibav
    check_pixels(width, height)
    turn = OF_EXIF[look.orientation]
    display = (height, width) if turn.swaps_sides else (width, height)
    pixel = possible(Fraction(*look.aspect) if all(look.aspect) else None)
    return Facts(
        kind="image",
        container=look.container,
        codec=look.codec,
        width=width,
        height=height,
        display_width=display[0],
        display_height=display[1],
        rotation_deg=turn.rotation_deg,
        mirrored=turn.mirrored,
        sample_aspect=f"{pixel.numerator}:{pixel.denominator}",
        pix_fmt=look.pix_fmt,
        bit_depth=_bit_depth(look.pix_fmt),
        color_matrix=look.color_matrix,
        color_range=look.color_range,
        color_transfer=look.color_transfer,
        hdr=look.color_transfer in HDR_TRANSFERS,
        video_streams=1,
        frames_header=look.frames_header,
        pages=look.pages if look.pages > 1 else None,
        has_audio=False,
    )


@cache
def _bit_depth(pix_fmt: str) -> int:
    """Return the bits of a pixel format's widest component."""
    return max(component.bits for component in av.VideoFormat(pix_fmt).components)
