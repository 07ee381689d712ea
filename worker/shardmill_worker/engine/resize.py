"""Scaling one plane: by area when it shrinks, as FFmpeg's area scaler does.

OpenCV halves for next to nothing.  All else is averaged by FFmpeg's own scaler, which is two to
five times as fast as OpenCV's ``INTER_AREA`` at ratios that are no whole numbers.
"""

from functools import lru_cache
from typing import Final

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from shardmill.contract.options.geometry import Size

_LEAST_SIDE: Final = 32
"""Smaller planes cost next to nothing either way, and libswscale may look beyond their rows."""
_MOST_RATIO: Final = 64
"""libswscale mixes at most 256 samples a side (``MAX_FILTER_SIZE`` in libswscale/utils.c)."""


def resize(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Return the plane at another size: a side that shrinks by area, one that grows linearly.

    Args:
        plane: Shape (H, W) or (H, W, C), uint8.
        size: What it becomes.

    Returns:
        Shape (size.height, size.width[, C]), uint8; the same array if the size is the same.
    """
    height, width = plane.shape[:2]
    while _is_exactly_halved(width, height, size):
        width, height = width // 2, height // 2
        plane = _with_opencv(plane, width, height, cv2.INTER_AREA)
    least = Size(min(width, size.width), min(height, size.height))
    if least != Size(width, height):
        plane = _averaged(plane, least)
    if least != size:
        plane = _with_opencv(plane, size.width, size.height, cv2.INTER_LINEAR)
    return plane


def _is_exactly_halved(width: int, height: int, size: Size) -> bool:
    """Return whether half as many samples a side are still a multiple of those wanted."""
    return not (width % (2 * size.width) or height % (2 * size.height))


def suits_libswscale(source: Size, size: Size) -> bool:
    """Return whether FFmpeg's area scaler can make a plane of this size."""
    too_much = max(source.width / size.width, source.height / size.height) > _MOST_RATIO
    least = min(source.width, source.height, size.width, size.height)
    return least >= _LEAST_SIDE and not too_much


def _averaged(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    height, width = plane.shape[:2]
    if not suits_libswscale(Size(width, height), size):
        return _with_opencv(plane, size.width, size.height, cv2.INTER_AREA)
    if plane.ndim == 3:  # libswscale would turn RGB into YUV and back
        return cv2.merge([_averaged(channel, size) for channel in cv2.split(plane)])  # type: ignore[arg-type,return-value]
    scaler = _scaler(width, height, size)
    source = av.VideoFrame.from_numpy_buffer(plane, "gray")
    scaled = scaler.reformat(
        source, size.width, size.height, "gray", interpolation="AREA", threads=1
    )
    rows = np.frombuffer(memoryview(scaled.planes[0]), np.uint8)
    return rows.reshape(size.height, -1)[:, : size.width]


@lru_cache(maxsize=16)
def _scaler(width: int, height: int, size: Size) -> VideoReformatter:  # noqa: ARG001
    """Return a scaler that has its tables ready, if it did this before."""
    return VideoReformatter()


def _with_opencv(plane: NDArray[np.uint8], width: int, height: int, how: int) -> NDArray[np.uint8]:
    return cv2.resize(plane, (width, height), interpolation=how)  # type: ignore[return-value]
