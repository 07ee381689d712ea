"""A decoded frame's pixels as numpy arrays, without copies where the format allows."""

from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from shardmill_worker.engine.colour import Colour, colour_of

_PLANAR: Final = frozenset(
    f"yuv{letter}{sampling}p" for letter in ("", "j", "a") for sampling in (420, 422, 440, 444)
) | {"gray"}
"""8-bit formats whose first planes are Y, U and V, or Y alone."""
_RGB: Final = "rgb24"


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture as arrays: Y, U and V; Y alone; or RGB."""

    planes: tuple[NDArray[np.uint8], ...]
    """Shape (H, W) each, U and V perhaps smaller; or one of shape (H, W, 3)."""
    colour: Colour | None
    """What Y, U and V stand for; None for RGB."""


class PixelReader:
    """Reads frames of one clip; whatever is not planar 8-bit YUV goes through one kept scaler.

    Alpha is dropped, as FFmpeg does when it writes to a format without it.  More than 8 bits
    are reduced to 8.
    """

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def read(self, frame: av.VideoFrame) -> Pixels:
        """Return the frame's pixels; they live as long as the frame."""
        target = _target(frame.format)
        if target != frame.format.name:
            frame = self._scaler.reformat(frame, format=target, threads=1)
        if target == _RGB:
            return Pixels((_view(frame.planes[0], channels=3),), None)
        count = 1 if target == "gray" else 3
        views = tuple(_view(plane) for plane in frame.planes[:count])
        return Pixels(views, colour_of(frame))


def _target(source: av.VideoFormat) -> str:
    """Return the format to read: the same, its 8-bit planar like, or RGB."""
    if source.name in _PLANAR:
        return source.name
    if source.is_rgb or source.has_palette or source.is_bayer or source.name.startswith("xyz"):
        return _RGB
    if len(source.components) < 3:  # Y, or Y and alpha
        return "gray"
    across, down = 8 // source.chroma_width(8), 8 // source.chroma_height(8)
    return {(2, 2): "yuv420p", (2, 1): "yuv422p", (1, 2): "yuv440p"}.get((across, down), "yuv444p")


def _view(plane: av.video.plane.VideoPlane, channels: int = 1) -> NDArray[np.uint8]:
    """Return the plane's pixels, shape (H, W) or (H, W, channels), uint8, without its padding."""
    stride = abs(plane.line_size)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, stride)
    rows = rows[:, : plane.width * channels]
    if plane.line_size < 0:  # stored bottom up
        rows = np.ascontiguousarray(rows[::-1])
    if channels == 1:
        return rows
    return np.lib.stride_tricks.as_strided(
        rows, (plane.height, plane.width, channels), (stride, channels, 1)
    )
