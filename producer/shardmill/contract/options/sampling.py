"""Which frames of a video to keep.

A policy looks at presentation times, never at pixels: a bad one is refused where the
job is written, a good one plans the decoding before it starts.  ``contract.timeline`` finds the
frames that it means.
"""

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import InvalidSpec

NS_PER_S = 1_000_000_000
RATE_LIMITS_HZ = (1e-6, 1000.0)
MAX_COUNT = 1_000_000
MAX_TIME_NS = 10**18  # 30 years


class EveryFrame(Struct, frozen=True):
    """Keep all frames."""


class EveryNth(Struct, frozen=True, kw_only=True):
    """Keep the first frame and every ``step``-th after it."""

    step: int
    """Frames from one kept frame to the next, at least 1."""

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InvalidSpec(f"every must be at least 1, got {self.step}")


class FixedRate(Struct, frozen=True, kw_only=True):
    """Keep the frame nearest to each tick of a clock that starts with the first frame."""

    rate_hz: float
    """Ticks per second of video, within ``RATE_LIMITS_HZ``."""

    def __post_init__(self) -> None:
        low, high = RATE_LIMITS_HZ
        if not low <= self.rate_hz <= high:
            raise InvalidSpec(f"fps must be in [{low}, {high}], got {self.rate_hz}")


class UniformCount(Struct, frozen=True, kw_only=True):
    """Keep ``count`` frames spread evenly: the frame on show in the middle of each equal part."""

    count: int
    """Frames to keep, within [1, ``MAX_COUNT``]; a shorter clip keeps what it has."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidSpec(f"--count must be in [1, {MAX_COUNT:,}], got {self.count:,}")


class GivenTimes(Struct, frozen=True, kw_only=True):
    """Keep the frame on show at each given time."""

    times_ns: tuple[int, ...]
    """At least one, counted from the first frame, in any order."""

    def __post_init__(self) -> None:
        if not self.times_ns or min(self.times_ns) < 0 or max(self.times_ns) > MAX_TIME_NS:
            raise InvalidSpec(
                f"--at must be seconds in [0, {MAX_TIME_NS // NS_PER_S:,}], got {self.times_ns} ns"
            )


class KeyframesOnly(Struct, frozen=True):
    """Keep the frames at which decoding can start."""


Policy = EveryFrame | EveryNth | FixedRate | UniformCount | GivenTimes | KeyframesOnly
"""A way to choose frames."""


class Selection(Struct, frozen=True, kw_only=True):
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
