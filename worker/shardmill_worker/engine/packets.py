"""What the packets of a stream announce: when each frame is shown, and what needs what.

Reading them costs no decoding.  They may lie, so whoever believes them checks each decoded frame.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import av
import numpy as np
from av.video.stream import VideoStream
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt
from shardmill.contract.timeline import Timeline
from shardmill_worker.engine.bitstream import Role, inspector_of
from shardmill_worker.engine.decode import Clock
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.work import Advance

_PACKETS_A_SIGN: Final = 1000
"""Packets read for one sign of life: each costs microseconds."""


class Packets(Struct, frozen=True, kw_only=True):
    """A stream's packets in decoding order; N of them."""

    pts: NDArray[np.int64]
    """Shape (N,).  When each is shown, in the stream's time base."""
    shown: NDArray[np.bool_]
    """Shape (N,).  False for what an edit list hides."""
    start: NDArray[np.bool_]
    """Shape (N,).  What is shown from here on needs nothing from before."""
    spare: NDArray[np.bool_]
    """Shape (N,).  Not needed by any other."""


class Survey(Struct, frozen=True, kw_only=True):
    """What one pass over the packets found."""

    timeline: Timeline | None
    """The frames in display order; None if packets tell no keyframe, or impossible times."""
    packets: Packets | None
    """None if nothing may be skipped: the codec is not understood, or breaks its rules."""
    damage: Corrupt | None
    """Why the pass ended before the end of the file, if it did."""


_NOTHING: Final = Survey(timeline=None, packets=None, damage=None)


def survey(media: Media, advance: Advance) -> Survey:
    """Read all packets of a freshly opened stream.

    Args:
        media: Open at its beginning.
        advance: Called now and then, as a sign of life.
    """
    clock = Clock(media)
    inspect = inspector_of(media.stream.codec_context)
    pts: list[int] = []
    shown: list[bool] = []
    keyframe: list[bool] = []
    roles: list[Role | None] = []
    end = 0
    damage: Corrupt | None = None
    try:
        for packet in _read(media, advance):
            if not clock.knows(packet.pts):
                return _NOTHING
            pts.append(packet.pts)
            shown.append(not packet.is_discard)
            keyframe.append(packet.is_keyframe)
            if shown[-1]:
                end = max(end, packet.pts + (packet.duration or 0))
            if inspect is not None:
                roles.append(inspect(bytes(packet)))
    except Corrupt as error:
        damage = error
    visible = np.array(shown, dtype=np.bool_)
    times = np.array(pts, dtype=np.int64)
    timeline = _timeline(times[visible], np.array(keyframe, np.bool_)[visible], end, clock)
    packets = _packets(times, visible, keyframe, roles) if timeline is not None else None
    if media.stream.codec_context.has_b_frames and np.all(np.diff(times) > 0):
        packets = None  # frames change places, their times do not: these are times of decoding
    return Survey(timeline=timeline, packets=packets, damage=damage)


def _read(media: Media, advance: Advance) -> "Iterator[av.Packet[VideoStream]]":
    with media_faults("The video cannot be read"):
        for number, packet in enumerate(media.packets()):
            if number % _PACKETS_A_SIGN == 0:
                advance()
            yield packet


def _timeline(
    pts: NDArray[np.int64], keyframe: NDArray[np.bool_], end: int, clock: Clock
) -> Timeline | None:
    if not keyframe.any():
        return None
    order = np.argsort(pts, kind="stable")
    times_ns = [clock.ns(int(time)) for time in pts[order]]
    if any(later <= earlier for earlier, later in pairwise(times_ns)):
        return None
    return timeline_of(times_ns, keyframe[order], clock.ns(end), clock)


def timeline_of(
    times_ns: list[int], keyframe: NDArray[np.bool_], end_ns: int, clock: Clock
) -> Timeline:
    """Return a timeline whose last frame is shown for one frame's time if nothing says how long."""
    if end_ns <= times_ns[-1]:
        end_ns = times_ns[-1] + clock.frame_ns
    return Timeline(pts_ns=np.array(times_ns, dtype=np.int64), keyframe=keyframe, end_ns=end_ns)


def _packets(
    pts: NDArray[np.int64],
    shown: NDArray[np.bool_],
    keyframe: list[bool],
    roles: list[Role | None],
) -> Packets | None:
    known = [role for role in roles if role is not None]
    if len(known) < pts.size or any(r.start > k for r, k in zip(known, keyframe, strict=True)):
        return None
    return Packets(
        pts=pts,
        shown=shown,
        start=np.array([role.start for role in known], dtype=np.bool_),
        spare=np.array([role.spare for role in known], dtype=np.bool_),
    )
