"""Where the windows of a dataset lie: their clips, starts and strides.

Windows have numbers.  Where window ``number`` lies in an epoch is a function of the options, the
seed, the epoch and the number alone, so that workers, ranks and resumed runs agree.
"""

import hashlib
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shardmill.contract.errors import UsageError
from shardmill.read.options import WindowOptions
from shardmill.read.order import Draw, drawn, drawn_offset
from shardmill.read.windows import fitting_strides, locate, spread_starts, starts_per_clip

Weights = ArrayLike | Literal["balanced"]
"""One weight for each clip, or the same weight for each class."""
_TOTAL_BITS: Final = 61
_WEIGHTED_WINDOWS: Final = 2**31


class Spots(NamedTuple):
    """Where windows lie.  Each array has shape (N,), int64."""

    clip: NDArray[np.int64]
    """Which clip."""
    window: NDArray[np.int64]
    """Which of the clip's windows in this epoch, from 0."""
    start: NDArray[np.int64]
    """First frame."""
    stride: NDArray[np.int64]
    """Frames from one of the window to its next."""


class Plan:
    """The numbered windows of some clips.

    Args:
        lengths: Frames of each clip.  Shape (C,).
        options: Which windows there are.
        shares: What ``cumulative_weights`` gave for the clips; None for equal weights.

    Raises:
        UsageError: There is no clip, none is long enough, or weighted windows are too many.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer],
        options: WindowOptions,
        shares: NDArray[np.int64] | None = None,
    ) -> None:
        self._lengths, self._options, self._shares = lengths, options, shares
        starts = valid_starts(lengths, options)
        if shares is not None:
            starts[np.diff(shares, prepend=0) == 0] = 0
        self.clips = np.flatnonzero(starts).astype(np.int32)
        """The clips that have windows.  Shape (U,), increasing."""
        if not self.clips.size:
            raise UsageError(_no_windows(lengths, options))
        self._edges = None
        self._count = self.clips.size * options.windows_per_clip
        if options.sample == "uniform-windows":
            self._edges = np.zeros(self.clips.size + 1, np.int64)
            np.cumsum(-(-starts[self.clips] // options.hop), out=self._edges[1:])
            self._count = int(self._edges[-1])
        if shares is not None and self._count >= _WEIGHTED_WINDOWS:
            raise UsageError(
                f"weights are for fewer than {_WEIGHTED_WINDOWS:,} windows an epoch, got "
                f"{self._count:,}: choose a smaller windows_per_clip"
            )

    def __len__(self) -> int:
        """Return how many windows an epoch has."""
        return self._count

    def spots(self, numbers: NDArray[np.int64], *, epoch: int) -> Spots:
        """Return where some windows of an epoch lie.

        Args:
            numbers: Which windows, each in ``[0, len(self))``.  Shape (N,).
            epoch: Decides what is drawn; nothing where nothing is drawn.
        """
        if self._edges is None:
            return self._by_clip(numbers, epoch)
        return self._by_window(numbers, self._edges, epoch)

    def _by_window(self, numbers: NDArray[np.int64], edges: NDArray[np.int64], epoch: int) -> Spots:
        """Count starts, ``hop`` apart; the stride is drawn among those that fit from the start."""
        options = self._options
        rows, nth = locate(numbers, edges)
        clips = self.clips[rows].astype(np.int64)
        lengths = self._lengths[clips].astype(np.int64)
        start = nth * options.hop
        if options.jitter:
            start = self._jittered(numbers, start, valid_starts(lengths, options), epoch)
        return Spots(clips, nth, start, self._strides(numbers, lengths - start, epoch))

    def _by_clip(self, numbers: NDArray[np.int64], epoch: int) -> Spots:
        """Choose a clip, a stride that fits it, and a start that is valid with that stride."""
        options = self._options
        clips, nth = self._clips_of(numbers, epoch)
        lengths = self._lengths[clips].astype(np.int64)
        stride = self._strides(numbers, lengths, epoch)
        starts = starts_per_clip(lengths, window=options.window, stride=stride, short=options.short)
        if options.sample == "uniform-clips":
            start = drawn(Draw.START, numbers, starts, seed=options.seed, epoch=epoch)
        else:
            start = spread_starts(nth, starts, count=options.windows_per_clip)
        if options.jitter:
            start = self._jittered(numbers, start, starts, epoch)
        return Spots(clips, nth, start, stride)

    def _clips_of(
        self, numbers: NDArray[np.int64], epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the clip of each window, and which of its windows this is."""
        if self._shares is not None:
            return _by_weight(numbers, self._shares, self._count, self._options.seed, epoch)
        rows, nth = np.divmod(numbers, self._options.windows_per_clip)
        return self.clips[rows].astype(np.int64), nth

    def _strides(
        self, numbers: NDArray[np.int64], room: NDArray[np.int64], epoch: int
    ) -> NDArray[np.int64]:
        """Return a stride for each window, drawn among those that fit in ``room`` frames."""
        options = self._options
        low, high = options.strides
        if low == high:
            return np.full(numbers.shape, low)
        choices = fitting_strides(room, window=options.window, strides=options.strides)
        return low + drawn(Draw.STRIDE, numbers, choices, seed=options.seed, epoch=epoch)

    def _jittered(
        self,
        numbers: NDArray[np.int64],
        start: NDArray[np.int64],
        starts: NDArray[np.int64],
        epoch: int,
    ) -> NDArray[np.int64]:
        """Return one of the valid starts within reach of each start."""
        options = self._options
        first = np.maximum(start - options.jitter, 0)
        last = np.minimum(start + options.jitter, starts - 1)
        moved = drawn(Draw.JITTER, numbers, last - first + 1, seed=options.seed, epoch=epoch)
        return first + moved


def valid_starts(lengths: NDArray[np.integer], options: WindowOptions) -> NDArray[np.int64]:
    """Return how many valid starts each clip has with the least stride.  Shape (C,)."""
    low, _ = options.strides
    return starts_per_clip(lengths, window=options.window, stride=low, short=options.short)


def balanced_weights(
    label_ids: NDArray[np.int64], usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the weight of each clip with which every class has the same weight in sum.

    Args:
        label_ids: Class number of each clip, -1 for none.  Shape (C,).
        usable: Which clips count.  Shape (C,).

    Returns:
        Shape (C,).  Clips that do not count or have no class have 0.

    Raises:
        UsageError: No clip that counts has a class.
    """
    classed = usable & (label_ids >= 0)
    if not classed.any():
        raise UsageError(
            "weights='balanced' needs clips with classes, got none that is long enough: give "
            "labels to the data set, or weights of your own"
        )
    _, classes, sizes = np.unique(label_ids[classed], return_inverse=True, return_counts=True)
    weights = np.zeros(label_ids.shape)
    weights[classed] = 1 / sizes[classes]
    return weights


def cumulative_weights(weights: ArrayLike, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the weights of clips as whole numbers, summed up.

    Weights are scaled by a power of two and rounded, so that equal weights stay equal and whole
    ones keep their ratios exactly.  The sum is below 2**62, which ``_by_weight`` needs.

    Args:
        weights: One for each clip, of any scale.  Shape (C,).
        usable: Which clips have windows; the others get no weight.  Shape (C,).

    Returns:
        Shape (C,), increasing.

    Raises:
        UsageError: The weights are not one finite number of at least 0 a clip, or all are 0.
    """
    try:
        given = np.asarray(weights)
    except ValueError:  # lists of different lengths
        given = np.array(None)
    if given.dtype.kind not in "iuf":
        raise UsageError(
            f"weights must be one number for each clip, or 'balanced'; got {weights!r:.80}"
        )
    if given.shape != usable.shape:
        raise UsageError(
            f"weights must be one number for each of {usable.size:,} clips, got an array of shape "
            f"{given.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(given) & (given >= 0)))
    if bad.size:
        raise UsageError(
            f"weights must be finite and at least 0, got {given[bad[0]].item()} for clip {bad[0]}"
        )
    counted = np.where(usable, given, 0).astype(np.float64)
    if not counted.any():
        raise UsageError("weights must not all be 0 for the clips that are long enough")
    counted = np.ldexp(counted, -np.frexp(counted.max())[1])  # at most 1: the sum is finite
    scaled = np.rint(np.ldexp(counted, _TOTAL_BITS - np.frexp(counted.sum())[1])).astype(np.int64)
    np.maximum(scaled, counted > 0, out=scaled)
    return np.cumsum(scaled, out=scaled)


def digest_of(values: NDArray[Any]) -> str:
    """Return a short text that is another one for other values."""
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()


def _by_weight(
    numbers: NDArray[np.int64], shares: NDArray[np.int64], count: int, seed: int, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the clips of weighted windows, and which of a clip's windows each one is.

    Systematic sampling: window s of n takes the clip at ``(s * total + offset) / n`` of the summed
    weights, with one offset in ``[0, total)`` an epoch.  A clip with the share w of the total has
    ``floor(n * w)`` or ``ceil(n * w)`` windows.  All is exact in 64 bits, since total < 2**62 and
    n < 2**31: ``s * total // n`` is split into ``s * (total // n)`` and the rest.
    """
    total = int(shares[-1])
    offset = drawn_offset(total, seed=seed, epoch=epoch)
    whole, rest = divmod(total, count)
    points = numbers * whole + (numbers * rest + offset) // count
    clips = np.searchsorted(shares, points, side="right")
    before = np.where(clips > 0, shares[clips - 1], 0).tolist()
    # The first window of a clip is the least s with s * total + offset >= before * n.
    first = [max(0, -((offset - share * count) // total)) for share in before]
    return clips, numbers - np.array(first, np.int64)


def _no_windows(lengths: NDArray[np.integer], options: WindowOptions) -> str:
    span = ((options.window or 1) - 1) * options.strides[0] + 1
    return (
        f"expected clips of at least {span} frames, the longest of {lengths.size} has "
        f"{lengths.max()}: choose a smaller window, or short='pad'"
    )
