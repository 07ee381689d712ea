"""Several windows as one batch of numpy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError

PER_FRAME: Final = ("frames", "mask", "pts_ns", "pts_s")
"""Values of a window with one element for each frame."""


def stack_windows(windows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return a batch of windows, which may have different numbers of frames.

    Args:
        windows: B of them, at least one; keys beside those of ``Window`` are stacked as they are.

    Returns:
        The keys of a window, each value with a first dimension of B: ``frames`` has shape
        (B, T, H, W, 3), T that of the longest window.  Shorter ones are filled up with black, False
        in ``mask``, and 0 in ``pts_ns`` and ``pts_s``.

    Raises:
        UsageError: The windows have frames of several sizes.
    """
    sizes = {window["frames"].shape[1:3] for window in windows}
    if len(sizes) > 1:
        found = ", ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise UsageError(
            f"expected windows of one frame size, got {found}: bring each window to one size "
            "before it is put into a batch"
        )
    return {
        name: (_padded if name in PER_FRAME else np.stack)([window[name] for window in windows])
        for name in windows[0]
    }


def _padded(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack arrays whose first dimensions differ, filled up with zeros."""
    longest = max(len(value) for value in values)
    batch = np.zeros((len(values), longest, *values[0].shape[1:]), values[0].dtype)
    for row, value in zip(batch, values, strict=True):
        row[: len(value)] = value
    return batch
