"""Scaling one plane: by area when it shrinks, as FFmpeg's area scaler does, at the least cost.

OpenCV halves for next to nothing, averages by other whole numbers cheaply and by any other ratio
dearly.  So a plane is halved as long as enough is left, then brought to a small multiple of its
new size between two neighbours, then averaged.  "Enough" is measured, on the footage and the test
charts of many makers: 38 dB from the exact area at worst, and 50 as a rule.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shardmill.contract.geometry import Size

_LEFT_BY_HALVING: Final = 2
"""So many samples must be left for a new one: its edges fall between coarser ones otherwise."""
_LINEAR_UP_TO: Final = (1.27, 1.42)
"""Two neighbours stand for an area up to this ratio, to one and to twice the new size."""
_LINEAR_BEYOND: Final = 1.5
"""The same to any higher multiple: there are more of them in each new sample."""


def resize(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Return the plane at another size.

    Args:
        plane: Shape (H, W) or (H, W, C), uint8.
        size: What it becomes.

    Returns:
        Shape (size.height, size.width[, C]), uint8; the same array if the size is the same.
    """
    height, width = plane.shape[:2]
    for to, how in _steps(width, height, size):
        plane = cv2.resize(plane, to, interpolation=how)  # type: ignore[assignment]
    return plane


@lru_cache(maxsize=64)
def _steps(width: int, height: int, size: Size) -> tuple[tuple[tuple[int, int], int], ...]:
    """Return the sizes to go through, as (width, height), each with its interpolation."""
    now, steps = (width, height), []
    for to, how in _ways(width, height, size):
        if to != now:
            steps.append((to, how))
        now = to
    return tuple(steps)


def _ways(width: int, height: int, size: Size) -> Iterator[tuple[tuple[int, int], int]]:
    while _may_halve(width, height, size):
        width, height = width // 2, height // 2
        yield (width, height), cv2.INTER_AREA
    across, down = _multiple(width, size.width), _multiple(height, size.height)
    if min(across, down) == 1 and max(across, down) > 2:
        # Averaging one side alone is as dear as by any ratio.  A side that grows must wait.
        yield (min(width, size.width), min(height, size.height)), cv2.INTER_AREA
        yield (size.width, size.height), cv2.INTER_LINEAR
        return
    if width % size.width or height % size.height:
        yield (size.width * across, size.height * down), cv2.INTER_LINEAR
    # Halfway between two samples lies their mean.
    how = cv2.INTER_LINEAR if across != down and max(across, down) == 2 else cv2.INTER_AREA
    yield (size.width, size.height), how


def _may_halve(width: int, height: int, size: Size) -> bool:
    if width % 2 or height % 2:
        return False
    sides = ((width // 2, size.width), (height // 2, size.height))
    if not (width % size.width or height % size.height):
        return not any(half % wanted for half, wanted in sides)  # stays exact
    return all(half >= _LEFT_BY_HALVING * wanted for half, wanted in sides)


def _multiple(side: int, wanted: int) -> int:
    """Return by what to multiply ``wanted`` for a size to go through on the way from ``side``."""
    ratio = side / wanted
    for multiple, limit in enumerate(_LINEAR_UP_TO, 1):
        if ratio <= multiple * limit:
            return multiple
    return max(3, ceil(ratio / _LINEAR_BEYOND))
