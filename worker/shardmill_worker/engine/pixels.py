"""A decoded frame's pixels as numpy arrays, without copies where the format allows."""

import re
from typing import Final

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from msgspec import Struct
from numpy.typing import NDArray

from shardmill_worker.engine.chroma import Sampling, sampling_of
from shardmill_worker.engine.colour import Colour, colour_of

_PLANAR: Final = frozenset(
    f"yuv{letter}{sampling}p" for letter in ("", "j", "a") for sampling in (420, 422, 440, 444)
) | {"gray", "yuv410p", "yuv411p", "yuvj411p"}
"""8-bit formats whose first planes are Y, U and V, or Y alone."""
_DEEP_PLANAR: Final = re.compile(r"(?:yuva?4[24][024]p|gray)(?P<bits>9|1[0246])le")
"""The same with 9 to 16 bits, which fill the low end of two bytes."""
_BY_SAMPLING: Final = {
    (2, 2): "yuv420p",
    (2, 1): "yuv422p",
    (1, 2): "yuv440p",
    (4, 1): "yuv411p",
    (4, 4): "yuv410p",
}
_RGB: Final = "rgb24"


class Pixels(Struct, frozen=True):
    """A picture as arrays: Y, U and V; Y alone; or RGB."""

    planes: tuple[NDArray[np.uint8], ...]
    """Shape (H, W) each, U and V perhaps smaller; or one of shape (H, W, 3)."""
    colour: Colour | None
    """What Y, U and V stand for; None for RGB."""
    sampling: Sampling
    """What a sample of U and V stands for; one pixel where there are none."""


class PixelReader:
    """Reads frames of one clip; whatever is not planar YUV goes through one kept scaler.

    Alpha is dropped, as FFmpeg does when it writes to a format without it.  More than 8 bits
    are rounded to 8: FFmpeg's scaler would add a dither, and take five times as long.
    """

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def read(self, frame: av.VideoFrame) -> Pixels:
        """Return the frame's pixels; they live as long as the frame."""
        if deep := _DEEP_PLANAR.fullmatch(frame.format.name):
            planes = _rounded(frame, int(deep["bits"]))
            return Pixels(planes, colour_of(frame), sampling_of(frame.format))
        target = _target(frame.format)
        if target != frame.format.name:
            frame = self._scaler.reformat(frame, format=target, threads=1)
        if target == _RGB:
            return Pixels((view(frame.planes[0], channels=3),), None, Sampling())
        planes = tuple(view(plane) for plane in _coloured(frame))
        return Pixels(planes, colour_of(frame), sampling_of(frame.format))


def _coloured(frame: av.VideoFrame) -> tuple[VideoPlane, ...]:
    """Return the planes of Y, U and V, or of Y alone: without alpha."""
    return frame.planes[: 1 if frame.format.name.startswith("gray") else 3]


def _rounded(frame: av.VideoFrame, bits: int) -> tuple[NDArray[np.uint8], ...]:
    """Return the nearest 8-bit samples."""
    unit = 1 / (1 << bits - 8)
    samples = (_rows(plane, 2 * plane.width).view("<u2") for plane in _coloured(frame))
    return tuple(cv2.convertScaleAbs(s, alpha=unit) for s in samples)  # type: ignore[misc]


def _target(source: av.VideoFormat) -> str:
    """Return the format to read: the same, its 8-bit planar like, or RGB."""
    if source.name in _PLANAR:
        return source.name
    if source.is_rgb or source.has_palette or source.is_bayer or source.name.startswith("xyz"):
        return _RGB
    if len(source.components) < 3:  # Y, or Y and alpha
        return "gray"
    sampling = sampling_of(source)
    return _BY_SAMPLING.get((sampling.columns, sampling.rows), "yuv444p")


def view(plane: VideoPlane, channels: int = 1) -> NDArray[np.uint8]:
    """Return the plane's pixels, shape (H, W) or (H, W, channels), uint8, without its padding."""
    rows = _rows(plane, plane.width * channels)
    return rows if channels == 1 else rows.reshape(plane.height, plane.width, channels)


def _rows(plane: VideoPlane, length: int) -> NDArray[np.uint8]:
    """Return the first ``length`` bytes of each row, from the top down; shape (H, length)."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    if plane.line_size < 0:  # stored bottom up
        rows = np.ascontiguousarray(rows[::-1])
    return rows[:, :length]
