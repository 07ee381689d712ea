"""Which windows of consecutive frames there are: arithmetic on numbers of frames.

A window takes ``window`` frames, ``stride`` apart, from a start.  A start is valid if the whole
window lies in its clip; a clip too short for that is dropped, or has the one start 0.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Short = Literal["drop", "pad", "loop"]


def starts_per_clip(
    lengths: NDArray[np.integer], *, window: int, stride: int, short: Short
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
    starts = lengths.astype(np.int64)
    starts -= span - 1
    least = 0 if short == "drop" else lengths > 0
    return np.maximum(starts, least, out=starts)  # in place: there may be many millions


def frames_of_window(
    start: int, length: int, *, window: int, stride: int, short: Short
) -> NDArray[np.int64]:
    """Return the numbers of the frames of one window.

    Returns:
        Shape (T,), T = ``window``; fewer only where a short clip is to be padded.
    """
    numbers = start + stride * np.arange(window)
    return numbers % length if short == "loop" else numbers[numbers < length]


def period(length: int, *, stride: int) -> int:
    """Return after how many frames a clip that is looped shows its first one again."""
    return length // math.gcd(length, stride)


def locate(
    numbers: NDArray[np.int64], edges: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return clips and starts of windows, when all are numbered one clip after the other.

    Clips and their shards are numbered in the same way.

    Args:
        numbers: Each in ``[0, edges[-1])``.  Shape (M,).
        edges: First window of each clip, and how many there are in all.  Shape (N + 1,).

    Returns:
        Two arrays of shape (M,).
    """
    clips = np.searchsorted(edges, numbers, side="right") - 1
    return clips, numbers - edges[clips]
