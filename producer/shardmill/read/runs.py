"""Which frames of a window are read with one request."""

from collections.abc import Iterator, Sequence
from typing import Final

RUN_BYTES: Final = 1 << 26
"""What is read at once, however long a window is: 64 MiB, or one frame if that is larger."""

PAGE_BYTES: Final = 4096
"""The system reads whole pages: less than one between two pieces costs nothing to read along."""


def runs(starts: Sequence[int], stops: Sequence[int], *, gap_bytes: int) -> Iterator[slice]:
    """Yield which frames lie together, in their order; every frame is in one slice.

    A loop over plain numbers: a window has a few dozen frames, for which numpy takes longer.

    Args:
        starts: First byte of each frame.  T of them.
        stops: The end of each frame, exclusive.  T of them.
        gap_bytes: What may lie between two frames that are read together.
    """
    first = 0
    for i in range(1, len(starts)):
        gap = starts[i] - stops[i - 1]
        if not 0 <= gap <= gap_bytes or stops[i] - starts[first] > RUN_BYTES:
            yield slice(first, i)
            first = i
    if starts:
        yield slice(first, len(starts))
