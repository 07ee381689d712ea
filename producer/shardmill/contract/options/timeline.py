"""When the frames of a stream are shown, and which of them a selection keeps.

Times are integer nanoseconds on the stream's own clock, so ties are exact and every machine
agrees.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Final, assert_never

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from shardmill.contract.errors import InvalidMedia
from shardmill.contract.options.sampling import (
    NS_PER_S,
    EveryFrame,
    EveryNth,
    FixedRate,
    GivenTimes,
    KeyframesOnly,
    Policy,
    Selection,
    UniformCount,
)

_MAX_DENOMINATOR: Final = 1_000_000
"""With the limits of rate and time, counting ticks stays within int64."""


class Timeline(Struct, frozen=True, kw_only=True):
    """When each frame of a stream is shown.

    Raises:
        InvalidMedia: Empty, not strictly increasing, reaching past ``end_ns``, unequal shapes.
    """

    pts_ns: NDArray[np.int64]
    """Shape (N,).  Start of each frame, strictly increasing."""
    keyframe: NDArray[np.bool_]
    """Shape (N,).  True where decoding can start."""
    end_ns: int
    """End of the last frame (exclusive)."""

    def __post_init__(self) -> None:
        if self.pts_ns.size == 0 or np.any(np.diff(self.pts_ns, append=self.end_ns) <= 0):
            raise InvalidMedia(
                f"need increasing times before end_ns={self.end_ns}, got {self.pts_ns}"
            )
        if self.keyframe.shape != self.pts_ns.shape:
            raise InvalidMedia(
                f"need one keyframe flag a frame, got shapes "
                f"{self.keyframe.shape} and {self.pts_ns.shape}"
            )

    def between(self, start: int, stop: int) -> "Timeline":
        """Return frames ``[start, stop)``; the last one ends where the next began."""
        end_ns = int(self.pts_ns[stop]) if stop < self.pts_ns.size else self.end_ns
        return Timeline(
            pts_ns=self.pts_ns[start:stop], keyframe=self.keyframe[start:stop], end_ns=end_ns
        )

    def ranges(self, parts: int) -> list[tuple[int | None, int | None]]:
        """Cut at keyframes into at most ``parts`` ranges of about as many frames each.

        Returns:
            ``(start_ns, end_ns)`` of each, in order; None before the first and after the last.
        """
        keyframes = np.flatnonzero(self.keyframe)
        aims = np.arange(1, parts) * self.pts_ns.size // parts
        after = np.searchsorted(keyframes, aims)
        cuts = np.unique(keyframes[after[after < keyframes.size]])
        times_ns = [int(time) for time in self.pts_ns[cuts[cuts > 0]]]
        return list(pairwise([None, *times_ns, None]))

    def choose(self, selection: Selection) -> NDArray[np.int64]:
        """Return the indices that a selection keeps, shape (K,), strictly increasing; K may be 0.

        A frame belongs to the range if it starts in it.  The policy sees that range alone, which
        ends where it was told to, though the last frame may be on show for longer.
        """
        first_ns = int(self.pts_ns[0])
        start = int(np.searchsorted(self.pts_ns, first_ns + selection.start_ns))
        stop = self.pts_ns.size
        if selection.end_ns is not None:
            stop = int(np.searchsorted(self.pts_ns, first_ns + selection.end_ns))
        if start >= stop:
            return np.empty(0, dtype=np.int64)
        seen = self.between(start, stop)
        if selection.end_ns is not None:
            seen = replace(seen, end_ns=min(seen.end_ns, first_ns + selection.end_ns))
        return (start + seen.select(selection.policy))[: selection.max_frames]

    def select(self, policy: Policy) -> NDArray[np.int64]:
        """Return the indices that a policy keeps, shape (K,), K <= N, strictly increasing."""
        match policy:
            case EveryFrame():
                return np.arange(self.pts_ns.size, dtype=np.int64)
            case EveryNth(step=step):
                return np.arange(0, self.pts_ns.size, step, dtype=np.int64)
            case FixedRate(rate_hz=rate_hz):
                return self._nearest(rate_hz)
            case UniformCount(count=count):
                return self._in_the_middle(count)
            case GivenTimes(times_ns=times_ns):
                times = self.pts_ns[0] + np.array(times_ns, dtype=np.int64)
                return self._on_show(times[times < self.end_ns])
            case KeyframesOnly():
                return np.flatnonzero(self.keyframe).astype(np.int64)
            case _:
                assert_never(policy)

    def _nearest(self, rate_hz: float) -> NDArray[np.int64]:
        """Return the nearest frame of each tick of a clock in ``[pts_ns[0], end_ns)``.

        A frame nearest to several ticks is kept once; a tick halfway between two frames
        takes the earlier one.  Times are rounded down, so that the true middle of two lies up to
        a nanosecond behind that of the numbers.
        """
        pts_ns, last_ns = self.pts_ns, self.end_ns - 1
        middles_ns = np.minimum((pts_ns[:-1] + pts_ns[1:] + 3) // 2, last_ns)
        reach_ns = np.append(middles_ns, last_ns) - pts_ns[0]
        rate = Fraction(rate_hz).limit_denominator(_MAX_DENOMINATOR)
        last_tick = _whole_ticks(reach_ns, rate)  # the last that is not nearer to a later frame
        return np.flatnonzero(np.diff(last_tick, prepend=-1)).astype(np.int64)

    def _in_the_middle(self, count: int) -> NDArray[np.int64]:
        """Return the frame on show at ``(k + 1/2) / count`` of the duration, each once.

        Times round up: a frame that starts at that very moment is the one on show, although
        whole nanoseconds may have cut a fraction off its end.
        """
        first_ns = int(self.pts_ns[0])
        span_ns = self.end_ns - first_ns
        middles_ns = [first_ns - (2 * k + 1) * span_ns // (-2 * count) for k in range(count)]
        return self._on_show(np.array(middles_ns))

    def _on_show(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the frame on show at each time, each once."""
        return np.unique(np.searchsorted(self.pts_ns, times_ns, side="right") - 1)


def _whole_ticks(spans_ns: NDArray[np.int64], rate_hz: Fraction) -> NDArray[np.int64]:
    """Return how many ticks of a clock fit into each span, exactly: no rounding adds up."""
    seconds, rest_ns = np.divmod(spans_ns, NS_PER_S)
    whole, part = np.divmod(seconds * rate_hz.numerator, rate_hz.denominator)
    part = part * NS_PER_S + rest_ns * rate_hz.numerator
    ticks: NDArray[np.int64] = whole + part // (rate_hz.denominator * NS_PER_S)
    return ticks
