"""Scaling one plane: antialiased when it shrinks, at the least cost.

OpenCV's area averaging is cheap at whole-number ratios and dear at others.  So a side is first
reduced by a whole number that divides it, and what is left to do is done on the small plane.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shardmill.contract.geometry import Size

_LINEAR_BELOW: Final = 2.0
"""Up to this ratio two neighbours are all that a sample needs."""


def resize(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Return the plane at another size.

    Args:
        plane: Shape (H, W) or (H, W, C), uint8.
        size: What it becomes.

    Returns:
        Shape (size.height, size.width[, C]), uint8; the same array if the size is the same.
    """
    height, width = plane.shape[:2]
    across = _whole_step(width, size.width)
    down = _whole_step(height, size.height)
    if across > 1 or down > 1:
        width, height = width // across, height // down
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if (width, height) == (size.width, size.height):
        return plane
    shrinks = max(width / size.width, height / size.height)
    how = cv2.INTER_LINEAR if shrinks < _LINEAR_BELOW else cv2.INTER_AREA
    return cv2.resize(plane, (size.width, size.height), interpolation=how)  # type: ignore[return-value]


def _whole_step(side: int, wanted: int) -> int:
    """Return the largest whole number that divides ``side`` and keeps it at least ``wanted``."""
    return next(step for step in range(max(1, side // wanted), 0, -1) if side % step == 0)
