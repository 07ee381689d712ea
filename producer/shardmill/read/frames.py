"""Encoded frames to pixels, straight into the caller's array."""

import errno
import io
import os
from collections.abc import Callable
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shardmill.contract.errors import EnvironmentFault

Pixels = NDArray[np.uint8]


def read_into(pixels: Pixels, fd: int, start: int) -> None:
    """Read raw frames that follow each other without a gap.

    Args:
        pixels: Receives them.  Shape (T, H, W, 3), uint8, RGB, contiguous.
        fd: The shard.
        start: First byte of the first frame.

    Raises:
        OSError: The file cannot be read, or ends before the last frame.
    """
    count = os.preadv(fd, [pixels.data], start)
    if count < pixels.nbytes:
        raise OSError(errno.EIO, f"got {count} of {pixels.nbytes} bytes at byte {start}")


def decode_into(pixels: Pixels, data: memoryview, *, encoding: str) -> None:
    """Decode one compressed frame.

    Args:
        pixels: Receives the frame.  Shape (H, W, 3), uint8, RGB, contiguous.
        data: The encoded frame.
        encoding: ``jpeg`` or ``png``, as the index says.

    Raises:
        ValueError: The frame is damaged or has another size.
        EnvironmentFault: A decoder is not installed here.
    """
    if encoding not in _DECODERS:
        raise ValueError(f"expected an encoding of {', '.join(ENCODINGS)}; got {encoding!r}")
    _DECODERS[encoding](pixels, data)


def _from_jpeg(pixels: Pixels, data: memoryview) -> None:
    decoded = simplejpeg.decode_jpeg(data, buffer=pixels)  # too large a picture is refused here
    _check_size(decoded.shape[:2], pixels)


def _from_png(pixels: Pixels, data: memoryview) -> None:
    try:
        from PIL import Image  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            "PNG frames need Pillow, which is not here: pip install pillow"
        ) from error
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            _check_size(image.size[::-1], pixels)
            pixels[:] = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"no sound PNG: {error}") from error


def _check_size(found: tuple[int, ...], pixels: Pixels) -> None:
    height, width, _ = pixels.shape
    if found != (height, width):
        raise ValueError(f"expected {width}x{height} pixels, got {found[1]}x{found[0]}")


_DECODERS: Final[dict[str, Callable[[Pixels, memoryview], None]]] = {
    "jpeg": _from_jpeg,
    "png": _from_png,
}
ENCODINGS: Final = (*_DECODERS, "raw")
"""All that can be read."""
