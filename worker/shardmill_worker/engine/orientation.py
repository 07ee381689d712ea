"""Which way up a picture is: display matrices, as libav hands them out with a frame, and EXIF."""

import math
import struct
from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import Final, cast

import av
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from msgspec import Struct

from shardmill.contract.options.geometry import Size
from shardmill.contract.schema import Facts
from shardmill_worker.engine.headers import png_orientation, webp_orientation
from shardmill_worker.engine.media import Media


class Orientation(Struct, frozen=True):
    """How a stored picture becomes an upright one: first turned, then mirrored."""

    rotation_deg: int = 0
    """Clockwise turn: 0, 90, 180 or 270."""
    mirrored: bool = False
    """True if it is mirrored left to right after the turn."""

    @property
    def swaps_sides(self) -> bool:
        """True if width and height change places."""
        return self.rotation_deg in (90, 270)

    def display_size(self, stored: Size, sample_aspect: Fraction) -> Size:
        """Return the size on a screen of square pixels: the width is scaled, then all turned."""
        width = max(1, round(stored.width * sample_aspect))
        return Size(stored.height, width) if self.swaps_sides else Size(width, stored.height)


UPRIGHT: Final = Orientation()
OF_EXIF: Final = {
    1: UPRIGHT,
    2: Orientation(0, mirrored=True),
    3: Orientation(180),
    4: Orientation(180, mirrored=True),
    5: Orientation(90, mirrored=True),
    6: Orientation(90),
    7: Orientation(270, mirrored=True),
    8: Orientation(270),
}

_NAMES_ITS_SIDE_DATA: Final = frozenset({"png", "apng"})
"""Decoders that give side data a name (a colour profile's), which PyAV 18.1 frees twice."""


def orientation_of(media: Media, frame: av.VideoFrame) -> Orientation:
    """Return the orientation that the file asks for.

    libav makes a display matrix from the container, from EXIF (1 to 8, others ignored) or from
    the codec's own headers.  A turn by another angle than a multiple of 90 degrees is rounded.
    """
    if media.original:
        return OF_EXIF[media.original.orientation]
    if media.container.format.name == "webp_pipe":
        return OF_EXIF[webp_orientation(media.file)]
    if media.stream.codec_context.codec.canonical_name in _NAMES_ITS_SIDE_DATA:
        return _png_orientation(media, frame)
    for data in cast("Iterable[SideData]", frame.side_data):  # PyAV's stub says otherwise
        if data.type == SideDataType.DISPLAYMATRIX:
            return from_matrix(bytes(data))
    return UPRIGHT


def orientation_in(facts: Facts) -> Orientation:
    """Return what probing found: that of the first frame, for a turn may be told there alone."""
    return Orientation(facts.rotation_deg or 0, mirrored=bool(facts.mirrored))


def from_matrix(matrix: bytes) -> Orientation:
    """Read a display matrix: nine int32, of which the first two rows turn and mirror."""
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    mirrored = a * d - b * c < 0
    if mirrored:  # undo the mirroring: what is left is the turn
        a = -a
    if a == b == 0:
        return UPRIGHT  # no direction at all: libav ignores it too
    return Orientation(_quarter_turns_deg(math.degrees(math.atan2(b, a))), mirrored)


def _png_orientation(media: Media, frame: av.VideoFrame) -> Orientation:
    """Do without side data: EXIF is read from the file, a container's turn from the frame."""
    if media.container.format.name in ("png_pipe", "apng"):
        return OF_EXIF[png_orientation(media.file)]
    return Orientation(_quarter_turns_deg(-frame.rotation))


def _quarter_turns_deg(degrees: float) -> int:
    return round(degrees / 90) % 4 * 90


def _unknown_side_data(cls: type[Enum], value: object) -> Enum:
    member = object.__new__(cls)
    member._name_ = f"UNKNOWN_{value}"
    member._value_ = value
    return member


# PyAV 18.1 does not know the side data of every libavutil it ships with (EXIF is 31), and
# then refuses to show any of a frame's side data, the display matrix included.
SideDataType._missing_ = classmethod(_unknown_side_data)  # type: ignore[assignment]
