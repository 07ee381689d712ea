"""Width to height of a stored pixel, picture by picture.

The container's word holds for the whole file.  Where it has none, that of the codec's headers does,
and these may change in mid-stream: a broadcast goes from 4:3 to 16:9 without another size.  PyAV
shows no frame's own sample aspect, but a decoder has parsed a packet's headers once it has taken
the packet, and a picture bears the time of its packet.
"""

from fractions import Fraction
from functools import cached_property
from typing import Final

import av
from av.video.stream import VideoStream

SQUARE: Final = Fraction(1)
_MOST: Final = 32
"""A pixel wider or higher than that is taken for an error of the file."""
_HELD: Final = 64
"""More pictures than any decoder holds back (16 in H.264 and HEVC)."""


class SampleAspects:
    """The sample aspects of a stream that is being decoded.

    Args:
        stream: Freshly opened.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        known = self._context.sample_aspect_ratio
        # libav gives the codec's where the container has none.
        self._is_fixed = stream.sample_aspect_ratio != known
        self._first = stream.sample_aspect_ratio
        self._later: dict[int | None, Fraction | None] = {}

    @cached_property
    def first(self) -> Fraction:
        """That of the first picture; to be asked for when a packet was decoded."""
        return possible(self._first or self._context.sample_aspect_ratio)

    def decoded(self, packet: "av.Packet[VideoStream]") -> None:
        """Take in the headers of a packet that the decoder has taken."""
        if self._is_fixed or not (packet.is_keyframe or self._later):
            return  # headers come with keyframes
        aspect = self._context.sample_aspect_ratio
        self._first = self._first or aspect
        if aspect != self._first or self._later:
            self._later[packet.pts] = aspect
            if len(self._later) > _HELD:
                del self._later[next(iter(self._later))]

    def of(self, picture: av.VideoFrame) -> Fraction:
        """Return that of a picture that came out."""
        if self._later and picture.pts in self._later:
            return possible(self._later[picture.pts])
        return self.first


def possible(aspect: Fraction | None) -> Fraction:
    """Return an aspect, square if it is none or beyond reason."""
    if not aspect:
        return SQUARE
    wide, high = aspect.as_integer_ratio()
    return aspect if wide <= _MOST * high and high <= _MOST * wide else SQUARE
