"""Which way up a picture is: display matrices, as libav hands them out with a frame, and EXIF."""

import math
import struct
from collections.abc import Iterable
from enum import Enum
from typing import Final, cast

import av
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.codeccontext import VideoCodecContext

from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.exif import OF_EXIF, UPRIGHT, Orientation
from shardmill_worker.engine.formats.png import png_orientation
from shardmill_worker.engine.formats.webp import webp_orientation
from shardmill_worker.engine.media import Media

_NAMES_ITS_SIDE_DATA: Final = frozenset({"png", "apng"})
"""Decoders that give side data a name (a colour profile's), which PyAV 18.1 frees twice."""


def orientation_of(media: Media, frame: av.VideoFrame | VideoCodecContext) -> Orientation:
    """Return the orientation that the file asks for; a header alone never asks for any.

    libav makes a display matrix from the container, from EXIF (1 to 8, others ignored) or from
    the codec's own headers.  A turn by another angle than a multiple of 90 degrees is rounded.
    """
    if isinstance(frame, VideoCodecContext):
        return UPRIGHT
    if media.original:
        return OF_EXIF[media.original.orientation]
    if media.container.format.name == "webp_pipe":
        return OF_EXIF[webp_orientation(media.file.size_bytes, media.file.pread)]
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
        return OF_EXIF[png_orientation(media.file.size_bytes, media.file.pread)]
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
