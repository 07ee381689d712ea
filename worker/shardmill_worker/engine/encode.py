"""A finished picture becomes bytes: JPEG, PNG or raw RGB."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.colour import Planes

JPEG_MAX_SIDE: Final = 65_500
"""libjpeg's limit, pixels."""
MOST_Y_PER_UV: Final = 4
"""Samples of Y for one of U and V, along a side, at most."""

RgbEncoder = Callable[[NDArray[np.uint8]], bytes]


def jpeg_from_planes(planes: Planes, quality: int) -> bytes:
    """Encode JFIF planes: Y, U and V, the latter whole, halved, or quartered in size.

    Raises:
        TooLarge: A side is beyond what JPEG can say.
    """
    _check_sides(planes[0])
    y, (u, v) = _with_margin(planes[0]), map(np.ascontiguousarray, planes[1:])
    return simplejpeg.encode_jpeg_yuv_planes(y, u, v, quality=quality)  # type: ignore[no-any-return]


def _with_margin(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the plane as a view into memory where it goes on beyond its right and lower edge.

    libjpeg-turbo reads Y up to the end of the last sample of U and V, so for an odd side it would
    read whatever lies behind the plane, and the JPEG would differ from run to run.
    """
    height, width = plane.shape
    below, right = -height % MOST_Y_PER_UV, -width % MOST_Y_PER_UV
    if not (below or right):
        return np.ascontiguousarray(plane)
    return np.pad(plane, ((0, below), (0, right)), mode="edge")[:height, :width]


def jpeg_from_rgb(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode RGB, shape (H, W, 3), with U and V at full size.

    Raises:
        TooLarge: A side is beyond what JPEG can say.
    """
    _check_sides(pixels)
    return simplejpeg.encode_jpeg(  # type: ignore[no-any-return]
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="444"
    )


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode RGB, shape (H, W, 3)."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()


def raw(pixels: NDArray[np.uint8]) -> bytes:
    """Return RGB, shape (H, W, 3), row by row."""
    return pixels.tobytes()


def _check_sides(pixels: NDArray[np.uint8]) -> None:
    if max(pixels.shape[:2]) > JPEG_MAX_SIDE:
        raise TooLarge(
            f"Expected sides up to {JPEG_MAX_SIDE} pixels for JPEG, found "
            f"{pixels.shape[1]}x{pixels.shape[0]}."
        )
