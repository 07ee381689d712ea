"""Which windows of consecutive frames there are: arithmetic on numbers of frames.

A window takes ``window`` frames, ``stride`` apart, from a start.  A start is valid if the whole
window lies in its clip; a clip too short for that is dropped, or has the one start 0.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Short = Literal["drop", "pad", "loop"]


def starts_per_clip(
    lengths: NDArray[np.int64], *, window: int, stride: int, short: Short
) -> NDArray[np.int64]:
    """Return how many valid starts each clip has, ``0`` up to that number.

    Args:
        lengths: Frames of each clip.  Shape (N,).
        window: Frames of a window.
        stride: Frames from one of a window to its next.
        short: What becomes of a clip that is shorter than a window.

    Returns:
        Shape (N,).  A clip without frames has none.
    """
    span = (window - 1) * stride + 1
    least = 0 if short == "drop" else (lengths > 0).astype(np.int64)
    return np.maximum(lengths - span + 1, least)


def frames_of_window(
    start: int, length: int, *, window: int, stride: int, short: Short
) -> NDArray[np.int64]:
    """Return the numbers of the frames of one window.

    Returns:
        Shape (T,), T = ``window``; fewer only where a short clip is to be padded.
    """
    numbers = start + stride * np.arange(window)
    return numbers % length if short == "loop" else numbers[numbers < length]


def locate(number: int, ends: NDArray[np.int64]) -> tuple[int, int]:
    """Return clip and start of a window, when all are numbered one clip after the other.

    Args:
        number: Below the last of ``ends``.
        ends: Cumulative sum of the starts of each clip.  Shape (N,).
    """
    clip = int(np.searchsorted(ends, number, side="right"))
    return clip, number - (int(ends[clip - 1]) if clip else 0)
