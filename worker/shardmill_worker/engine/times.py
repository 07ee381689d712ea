"""How the frames of a video follow each other in time, told without decoding one.

A container's index gives the order of decoding, its packets the times on screen.  Only what covers
every frame proves that a rate is constant; a single uneven step proves that it is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice, pairwise
from typing import Final

import av
from av.video.stream import VideoStream
from msgspec import Struct

from shardmill.contract.errors import Corrupt
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media

MAX_PACKETS: Final = 512
"""So many packets are read to measure what the header leaves out."""
MAX_INDEX: Final = 1 << 20
"""Entries of an index that is looked through."""
_UNEVEN: Final = Fraction(3, 2)
"""A step by so much longer than another is no rounding and no jitter."""
_IMPOSSIBLE_S: Final = 1 << 32
"""A time 136 years away is none: some files hold noise where a time belongs."""
_WHOLE_INDEX_FORMATS: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "avi"})
"""Formats with an index of every frame; others index keyframes alone."""


class Pace(Struct, frozen=True):
    """What the first packets of a video say of its times."""

    fps: float | None
    """Their average rate; None if they have no times."""
    varies: bool | None
    """True if a step is uneven, False if none of all is, None if there are more packets."""
    duration_s: float | None
    """From the first to the end of the last, None if there are more."""


def is_even(times: Sequence[int]) -> bool:
    """Return whether increasing times are the same step apart, up to rounding and jitter."""
    steps = [after - before for before, after in pairwise(times)]
    return not steps or are_even(min(steps), max(steps))


def are_even(shortest: int, longest: int) -> bool:
    """Return whether steps are the same, up to rounding and jitter, by their extremes."""
    return 0 < longest < _UNEVEN * shortest or longest - shortest == 1


def has_even_index(media: Media) -> bool:
    """Return whether an index of every frame shows one constant rate.

    The index has times of decoding.  Encoders derive them from those on screen, so where they are
    even these are too, but for the last two or three frames of a video with B-frames; the
    reverse does not hold.  Frames that an edit list hides, or that take no bytes, leave it open.
    """
    index, count = media.stream.index_entries, media.stream.frames
    if media.container.format.name not in _WHOLE_INDEX_FORMATS:
        return False
    if not 0 < len(index) == count <= MAX_INDEX:
        return False
    shown = [entry.timestamp for entry in index if entry.size and not entry.is_discard]
    return len(shown) == count and is_even(shown)


def measured_pace(packets: "Iterator[av.Packet[VideoStream]]", time_base: Fraction) -> Pace:
    """Read the first ``MAX_PACKETS`` packets of a video, or those before it is cut off.

    Args:
        packets: Those of the video, from its beginning.
        time_base: Seconds in a unit of their times.
    """
    stamps = []
    whole = False
    with suppress(Corrupt), media_faults("The file cannot be read"):
        for packet in islice(packets, MAX_PACKETS):
            if packet.pts is not None and not packet.is_discard:
                stamps.append(  # noqa: PERF401  those before a cut are kept
                    (packet.pts, packet.dts or 0, packet.duration or 0)
                )
        whole = next(packets, None) is None
    return pace(stamps, time_base=time_base, whole=whole)


def pace(stamps: Sequence[tuple[int, int, int]], *, time_base: Fraction, whole: bool) -> Pace:
    """Return what the times of the first packets say.

    Args:
        stamps: Time on screen, time of decoding and duration of each, in order of decoding.
        time_base: Seconds in a unit of these.
        whole: Whether there are no more packets.
    """
    limit = int(_IMPOSSIBLE_S / time_base)
    shown = sorted((pts, length) for pts, _, length in stamps if abs(pts) < limit)
    if not whole:  # what is still to come may be shown before some of these, but after its decoding
        shown = [(pts, length) for pts, length in shown if pts < stamps[-1][1]]
    if len(shown) < 2:
        return Pace(None, None, None)
    times = [pts for pts, _ in shown]
    # Some containers make every packet one tick long.
    durations_hold = is_even([0, shown[0][1], shown[0][1] + times[1] - times[0]])
    last_step = shown[-1][1] if durations_hold else times[-1] - times[-2]
    length_s = (times[-1] + last_step - times[0]) * time_base
    even = is_even(times)
    return Pace(
        fps=float(len(times) / length_s) if length_s > 0 else None,
        varies=None if even and not whole else not even,
        duration_s=float(length_s) if whole else None,
    )
