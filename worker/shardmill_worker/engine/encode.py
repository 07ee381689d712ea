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

RgbEncoder = Callable[[NDArray[np.uint8]], bytes]


def jpeg_from_planes(planes: Planes, quality: int) -> bytes:
    """Encode JFIF planes: Y, U and V, the latter whole, halved, or quartered in size.

    Raises:
        TooLarge: A side is beyond what JPEG can say.
    """
    _check_sides(planes[0])
    y, u, v = (np.ascontiguousarray(plane) for plane in planes)
    return simplejpeg.encode_jpeg_yuv_planes(y, u, v, quality=quality)  # type: ignore[no-any-return]


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
