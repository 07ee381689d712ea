"""Which frames of a window are read with one request."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

RUN_BYTES: Final = 1 << 26
"""What is read at once, however long a window is: 64 MiB, or one frame if that is larger."""


def runs(
    offset: NDArray[np.int64], length: NDArray[np.integer], *, gap_bytes: int
) -> Iterator[slice]:
    """Yield which frames lie together, in their order; every frame is in one slice.

    Args:
        offset: First byte of each frame.  Shape (T,).
        length: Size of each frame, bytes.  Shape (T,).
        gap_bytes: What may lie between two frames that are read together.
    """
    if not offset.size:
        return
    gaps = offset[1:] - (offset + length)[:-1]
    breaks = np.flatnonzero((gaps < 0) | (gaps > gap_bytes)) + 1
    for first, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), offset.size], strict=True):
        yield from _cut(offset, length, first, stop)


def _cut(
    offset: NDArray[np.int64], length: NDArray[np.integer], first: int, stop: int
) -> Iterator[slice]:
    """Yield a run in pieces of at most ``RUN_BYTES``."""
    while first < stop:
        ends = offset[first:stop] + length[first:stop]
        fits = int(np.searchsorted(ends, offset[first] + RUN_BYTES, side="right"))
        yield slice(first, first + max(1, fits))
        first += max(1, fits)
