"""Which frames of a video to keep.

A policy looks at presentation times, never at pixels: a bad one is refused where the
job is written, a good one plans the decoding before it starts.  Times are integer
nanoseconds on the stream's own clock, so ties are exact and every machine agrees.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import InvalidMedia, InvalidSpec

NS_PER_S = 1_000_000_000
RATE_LIMITS_HZ = (1e-6, 1000.0)
MAX_COUNT = 1_000_000
MAX_TIME_NS = 10**18  # 30 years
_MAX_DENOMINATOR = 1_000_000  # with the limits above, counting ticks stays within int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
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


class Policy(Protocol):
    """A way to choose frames."""

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the indices to keep, shape (K,), K <= N, strictly increasing."""
        ...


@dataclass(frozen=True, slots=True)
class EveryFrame:
    """Keep all frames."""

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return every index."""
        return np.arange(timeline.pts_ns.size, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryNth:
    """Keep the first frame and every ``step``-th after it."""

    step: int
    """Frames from one kept frame to the next, at least 1."""

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InvalidSpec(f"every must be at least 1, got {self.step}")

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return indices 0, step, 2 * step, ..."""
        return np.arange(0, timeline.pts_ns.size, self.step, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRate:
    """Keep the frame nearest to each tick of a clock that starts with the first frame."""

    rate_hz: float
    """Ticks per second of video, within ``RATE_LIMITS_HZ``."""

    def __post_init__(self) -> None:
        low, high = RATE_LIMITS_HZ
        if not low <= self.rate_hz <= high:
            raise InvalidSpec(f"fps must be in [{low}, {high}], got {self.rate_hz}")

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the nearest frame of each tick in ``[pts_ns[0], end_ns)``.

        A frame nearest to several ticks is kept once; a tick halfway between two frames
        takes the earlier one.
        """
        pts_ns = timeline.pts_ns
        reach_ns = np.append((pts_ns[:-1] + pts_ns[1:]) // 2, timeline.end_ns - 1) - pts_ns[0]
        rate = Fraction(self.rate_hz).limit_denominator(_MAX_DENOMINATOR)
        last_tick = _whole_ticks(reach_ns, rate)  # the last that is not nearer to a later frame
        return np.flatnonzero(np.diff(last_tick, prepend=-1)).astype(np.int64)


def _whole_ticks(spans_ns: NDArray[np.int64], rate_hz: Fraction) -> NDArray[np.int64]:
    """Return how many ticks of a clock fit into each span, exactly: no rounding adds up."""
    seconds, rest_ns = np.divmod(spans_ns, NS_PER_S)
    whole, part = np.divmod(seconds * rate_hz.numerator, rate_hz.denominator)
    part = part * NS_PER_S + rest_ns * rate_hz.numerator
    ticks: NDArray[np.int64] = whole + part // (rate_hz.denominator * NS_PER_S)
    return ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformCount:
    """Keep ``count`` frames spread evenly: the frame on show in the middle of each equal part."""

    count: int
    """Frames to keep, within [1, ``MAX_COUNT``]; a shorter clip keeps what it has."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidSpec(f"--count must be in [1, {MAX_COUNT:,}], got {self.count:,}")

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the frame on show at ``(k + 1/2) / count`` of the duration, each once.

        Times round up: a frame that starts at that very moment is the one on show, although
        whole nanoseconds may have cut a fraction off its end.
        """
        first_ns = int(timeline.pts_ns[0])
        span_ns = timeline.end_ns - first_ns
        middles_ns = np.array(
            [first_ns - (2 * k + 1) * span_ns // (-2 * self.count) for k in range(self.count)]
        )
        return np.unique(np.searchsorted(timeline.pts_ns, middles_ns, side="right") - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTimes:
    """Keep the frame on show at each given time."""

    times_ns: tuple[int, ...]
    """At least one, counted from the first frame, in any order."""

    def __post_init__(self) -> None:
        if not self.times_ns or min(self.times_ns) < 0 or max(self.times_ns) > MAX_TIME_NS:
            raise InvalidSpec(
                f"--at must be seconds in [0, {MAX_TIME_NS // NS_PER_S:,}], got {self.times_ns} ns"
            )

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the frames on show, each once; a time after the last frame's end has none."""
        times_ns = timeline.pts_ns[0] + np.array(self.times_ns, dtype=np.int64)
        times_ns = times_ns[times_ns < timeline.end_ns]
        return np.unique(np.searchsorted(timeline.pts_ns, times_ns, side="right") - 1)


@dataclass(frozen=True, slots=True)
class KeyframesOnly:
    """Keep the frames at which decoding can start."""

    def select(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the indices of the keyframes."""
        return np.flatnonzero(timeline.keyframe).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A policy within a range of time, with a cap."""

    policy: Policy
    start_ns: int = 0
    """Start of the range, from the first frame of the stream."""
    end_ns: int | None = None
    """End of the range (exclusive), from the first frame; None is the end of the stream."""
    max_frames: int | None = None
    """Keep at most the first so many."""

    def within(self, start_ns: int | None, end_ns: int | None) -> "Selection":
        """Return the same choice in what this range and ``[start_ns, end_ns)`` have in common.

        Both count from the first frame of the stream; None sets no limit.
        """
        ends_ns = [time for time in (self.end_ns, end_ns) if time is not None]
        return replace(
            self, start_ns=max(self.start_ns, start_ns or 0), end_ns=min(ends_ns, default=None)
        )

    def choose(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the indices to keep, shape (K,), strictly increasing; K may be 0.

        A frame belongs to the range if it starts in it.  The policy sees that range alone, which
        ends where it was told to, though the last frame may be on show for longer.
        """
        first_ns = int(timeline.pts_ns[0])
        start = int(np.searchsorted(timeline.pts_ns, first_ns + self.start_ns))
        stop = timeline.pts_ns.size
        if self.end_ns is not None:
            stop = int(np.searchsorted(timeline.pts_ns, first_ns + self.end_ns))
        if start >= stop:
            return np.empty(0, dtype=np.int64)
        seen = timeline.between(start, stop)
        if self.end_ns is not None:
            seen = replace(seen, end_ns=min(seen.end_ns, first_ns + self.end_ns))
        return (start + self.policy.select(seen))[: self.max_frames]
