"""Which windows of consecutive frames there are: arithmetic on numbers of frames.

A window takes ``window`` frames, ``stride`` apart, from a start.  A start is valid if the whole
window lies in its clip; a clip too short for that is dropped, or has the one start 0.  A whole clip
(``window`` None) has the one start 0 too.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Short = Literal["drop", "pad", "loop"]
Whole = NDArray[np.int64]
"""Whole numbers, one for each window.  Shape (N,)."""


def starts_per_clip(
    lengths: NDArray[np.integer], *, window: int | None, stride: int | Whole, short: Short
) -> Whole:
    """Return how many valid starts each clip has, ``0`` up to that number.

    Args:
        lengths: Frames of each clip.  Shape (N,).
        window: Frames of a window; None for the whole clip.
        stride: Frames from one of a window to its next; one for all clips, or one each.
        short: What becomes of a clip that is shorter than a window.

    Returns:
        Shape (N,).  A clip without frames has none.
    """
    if window is None:
        return (lengths > 0).astype(np.int64)
    starts = lengths.astype(np.int64)
    starts -= (window - 1) * stride
    least = 0 if short == "drop" else lengths > 0
    return np.maximum(starts, least, out=starts)  # in place: there may be many millions


def fitting_strides(room: Whole, *, window: int | None, strides: tuple[int, int]) -> Whole:
    """Return how many of some strides each window may have, counted from the least.

    Args:
        room: Frames from the first one that the window may take to the end of its clip.
            Shape (N,).
        window: Frames of a window; None for the whole clip.
        strides: The least and the greatest.

    Returns:
        Shape (N,), each at least 1: where none fits, the clip is short, and has the least.
    """
    low, high = strides
    if window is None or window == 1:
        return np.full(room.shape, high - low + 1)
    return np.clip((room - 1) // (window - 1), low, high) - low + 1


def spread_starts(nth: Whole, starts: Whole, *, count: int) -> Whole:
    """Return where the windows begin that cover a clip evenly.

    The first begins at the first valid start and the last at the last one.  Between two starts the
    earlier is taken.

    Args:
        nth: Which of a clip's windows, in ``[0, count)``.  Shape (N,).
        starts: Valid starts of the clip.  Shape (N,).
        count: Windows of a clip; a single one lies in the middle.

    Returns:
        Shape (N,), each in ``[0, starts)``.
    """
    if count == 1:
        return (starts - 1) // 2
    gaps = count - 1
    return (2 * nth * (starts - 1) + gaps - 1) // (2 * gaps)


def frames_of_window(
    start: int, length: int, *, window: int | None, stride: int, short: Short
) -> Whole:
    """Return the numbers of the frames of one window.

    Returns:
        Shape (T,), T = ``window``; fewer only where a short clip is to be padded.  For a whole clip
        T is the number of frames from ``start`` on, ``stride`` apart.
    """
    if window is None:
        return np.arange(start, length, stride)
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
