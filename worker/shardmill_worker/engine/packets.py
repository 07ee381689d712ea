"""What the packets of a stream announce: when each frame is shown, and what needs what.

Reading them costs no decoding.  They may lie, so whoever believes them checks each decoded frame.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt
from shardmill.contract.options.timeline import Timeline
from shardmill_worker.engine.bitstream import Role, inspector_of
from shardmill_worker.engine.decode import DAMAGED_PACKET, Clock, Decoding
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media, Reopen
from shardmill_worker.engine.work import Advance

_PACKETS_A_SIGN: Final = 1000
"""Packets read for one sign of life: each costs microseconds."""


class Packets(Struct, frozen=True, kw_only=True):
    """A stream's packets in decoding order; N of them."""

    pts: NDArray[np.int64]
    """Shape (N,).  When each is shown, in the stream's time base."""
    shown: NDArray[np.bool_]
    """Shape (N,).  False for what an edit list hides, and for what cannot be decoded since the
    recording starts between keyframes."""
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
    """What ended the pass before the end of the file, if anything did."""


_NOTHING: Final = Survey(timeline=None, packets=None, damage=None)
_CHANGES: Final = ("new_extradata", "palette", "param_change")
"""Side data of a packet that changes how all that follow are decoded."""


def survey(reopen: Reopen, advance: Advance) -> Survey:
    """Read all packets of a stream, up to the first that its container says is damaged.

    Packets before the first picture, of a recording that starts between keyframes, are not shown.

    Args:
        reopen: Opens the file.
        advance: Called now and then, as a sign of life.
    """
    damage: Corrupt | None = None
    with reopen() as media:
        clock = Clock(media)
        found = _Found(media.stream.codec_context)
        try:
            for packet in _read(media, advance):
                if not clock.knows(packet.pts):
                    return _NOTHING
                found.add(packet)
                if found.wants_first_picture:
                    found.first_pts = _first_picture(reopen, advance)
                    if found.first_pts is None:
                        return _NOTHING
                found.check(packet)
        except Corrupt as error:
            damage = error
    if found.leads_by_others:
        found.first_pts = _first_picture(reopen, advance)
    timeline = found.timeline(clock)
    return Survey(
        timeline=timeline, packets=found.packets() if timeline is not None else None, damage=damage
    )


class _Found:
    """What the packets say, one after the other."""

    def __init__(self, context: VideoCodecContext) -> None:
        self.first_pts: int | None = None
        """When the first picture is shown, where the packets do not tell."""
        self._end_pts: int | None = None
        self._inspect = inspector_of(context)
        self._may_reorder = context.has_b_frames
        self._changes = False
        self._pts: list[int] = []
        self._ends: list[int] = []
        self._shown: list[bool] = []
        self._keyframe: list[bool] = []
        self._roles: list[Role | None] = []

    def add(self, packet: "av.Packet[VideoStream]") -> None:
        """Take the next packet, which has a time."""
        assert packet.pts is not None
        if self._pts and any(packet.has_sidedata(kind) for kind in _CHANGES):
            self._changes = True
        self._pts.append(packet.pts)
        self._ends.append(packet.pts + (packet.duration or 0))
        self._shown.append(not packet.is_discard)
        self._keyframe.append(packet.is_keyframe)
        if self._inspect is not None:
            self._roles.append(self._inspect(bytes(packet)))

    @property
    def wants_first_picture(self) -> bool:
        """Whether the one packet so far is none at which decoding can start."""
        if len(self._pts) != 1:
            return False
        role = self._roles[0] if self._roles else None
        return not (role.start if role is not None else self._keyframe[0])

    @property
    def leads_by_others(self) -> bool:
        """Whether packets behind the first are shown before it: they may need what is not there."""
        return self.first_pts is None and len(self._pts) > 0 and min(self._pts) < self._pts[0]

    def check(self, packet: "av.Packet[VideoStream]") -> None:
        """Take back the last packet, and what is shown behind it, if it is damaged.

        Before the first picture nothing is.

        Raises:
            Corrupt: That is so.
        """
        if not packet.is_corrupt or (self.first_pts is not None and self._pts[-1] < self.first_pts):
            return
        self._end_pts = self._pts[-1]
        for column in (self._pts, self._ends, self._shown, self._keyframe, self._roles):
            del column[-1:]
        raise Corrupt(DAMAGED_PACKET)

    def timeline(self, clock: Clock) -> Timeline | None:
        """Return when the frames are shown; None if that is impossible or tells no keyframe."""
        shown, keyframe = self._visible(), np.array(self._keyframe, np.bool_)
        if not keyframe[shown].any():
            return None
        end = int(np.array(self._ends, dtype=np.int64)[shown].max())
        return _timeline(self._times()[shown], keyframe[shown], end, clock)

    def packets(self) -> Packets | None:
        """Return what lets packets be skipped, None if nothing may be."""
        times = self._times()
        if self._may_reorder and np.all(np.diff(times) > 0):
            return None  # frames change places, their times do not: these are times of decoding
        known = [role for role in self._roles if role is not None]
        if self._changes or len(known) < times.size:
            return None
        if any(role.start > flag for role, flag in zip(known, self._keyframe, strict=True)):
            return None
        return Packets(
            pts=times,
            shown=self._visible(),
            start=np.array([role.start for role in known], dtype=np.bool_),
            spare=np.array([role.spare for role in known], dtype=np.bool_),
        )

    def _times(self) -> NDArray[np.int64]:
        return np.array(self._pts, dtype=np.int64)

    def _visible(self) -> NDArray[np.bool_]:
        visible, times = np.array(self._shown, dtype=np.bool_), self._times()
        if self.first_pts is not None:
            visible &= times >= self.first_pts
        if self._end_pts is not None:
            visible &= times < self._end_pts
        return visible


def _first_picture(reopen: Reopen, advance: Advance) -> int | None:
    """Return when the first picture is shown that the decoder gives; None if it does not say."""
    with reopen() as media, suppress(Corrupt):
        decoding = Decoding(media)
        for packet in _read(media, advance):
            if pictures := decoding.feed(packet):
                return pictures[0].pts
        if pictures := decoding.feed(None):
            return pictures[0].pts
    return None


def _read(media: Media, advance: Advance) -> "Iterator[av.Packet[VideoStream]]":
    with media_faults("The video cannot be read"):
        for number, packet in enumerate(media.packets()):
            if number % _PACKETS_A_SIGN == 0:
                advance()
            yield packet


def _timeline(
    pts: NDArray[np.int64], keyframe: NDArray[np.bool_], end: int, clock: Clock
) -> Timeline | None:
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
