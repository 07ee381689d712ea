"""From a small sample to the whole: what a job will take, and how sure that is.

Every item has a rough estimate beforehand.  A few are drawn, dear ones more often, and really
done; how far their estimates were off corrects the sum of all.  This is the ratio estimator under
sampling with unequal chances: Cochran, Sampling Techniques, 3rd ed., 1977, chapters 6 and 9A.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TWICE: Final = 2.0  # twice the standard error holds about 19 times of 20


@dataclass(frozen=True, slots=True)
class Forecast:
    """A total that is not known yet."""

    value: float
    """The best guess."""
    error: float
    """How far off it may be, 19 times of 20; infinite where a sample of one cannot tell."""


def draw(weights: NDArray[np.float64], count: int, *, seed: int) -> NDArray[np.int64]:
    """Draw items, each time with chances by their weight.

    Args:
        weights: What each item weighs, above 0.  Shape (N,).
        count: How many to draw.
        seed: Decides which.

    Returns:
        Shape (count,), an item perhaps several times; all items once if they are no more.
    """
    if weights.size <= count:
        return np.arange(weights.size)
    edges = np.cumsum(weights) / weights.sum()
    points = np.random.Generator(np.random.PCG64(seed)).random(count)
    return np.minimum(np.searchsorted(edges, points, side="right"), weights.size - 1)


def forecast(
    actual: NDArray[np.float64],
    *,
    foreseen: NDArray[np.float64],
    weights: NDArray[np.float64],
    total: float,
) -> Forecast:
    """Return what all items will come to, from what a few did.

    Args:
        actual: What each draw came to.  Shape (n,).
        foreseen: What was foreseen of each draw.  Shape (n,).
        weights: Those by which they were drawn.  Shape (n,).
        total: What was foreseen of all items.
    """
    if not actual.size:
        return Forecast(0.0, 0.0)
    scale = 1 / weights
    base = max(float((foreseen * scale).sum()), float(np.finfo(float).tiny))
    ratio = float((actual * scale).sum()) / base
    off = (actual - ratio * foreseen) * scale / base
    if actual.size < 2:
        return Forecast(ratio * total, math.inf)
    spread = math.sqrt((off**2).sum() * actual.size / (actual.size - 1))
    return Forecast(ratio * total, _TWICE * spread * total)


@dataclass(frozen=True, slots=True)
class Truncation:
    """What it would cost to hold all clips in memory, cut off after so many frames."""

    frames: int
    """At most so many frames of each clip."""
    clips_cut: int
    """Clips that have more."""
    frames_kept: int
    """Frames of all clips together, after cutting."""
    bytes_ragged: int
    """Their size as uint8 RGB, each clip as long as it is."""
    bytes_padded: int
    """The same with every clip filled up to ``frames``."""


def truncations(
    frames: NDArray[np.int64], frame_pixels: NDArray[np.int64], lengths: list[int]
) -> list[Truncation]:
    """Return what each truncation would cost.

    Args:
        frames: Frames of each clip.  Shape (N,).
        frame_pixels: Pixels of a frame of it.  Shape (N,).
        lengths: The truncations asked for, and the longest clip's own is added.
    """
    longest = int(frames.max(initial=0))
    asked = sorted({length for length in lengths if length < longest} | {longest})
    return [
        Truncation(
            frames=length,
            clips_cut=int((frames > length).sum()),
            frames_kept=int(np.minimum(frames, length).sum()),
            bytes_ragged=int(3 * (np.minimum(frames, length) * frame_pixels).sum()),
            bytes_padded=int(3 * length * frame_pixels.sum()),
        )
        for length in asked
    ]
