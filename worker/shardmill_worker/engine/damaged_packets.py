"""What a container says of its packets: which are damaged, and which only where a file ends."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from shardmill.contract.errors import Corrupt
from shardmill_worker.engine.faults import CUT_OFF

_COUNTING_FORMAT: Final = "mpegts"
"""Its packets are counted, so that a loss shows.  Elsewhere libav flags what lacks bytes."""
_LAST_IS_IN_DOUBT: Final = frozenset({"dv", "mpeg", "mpegts"})
"""Demuxers that give what there is of the last packet without a flag."""
_AHEAD: Final = 2
"""Packets that are looked at before a flag is believed: what parts them flags one too early."""


class PacketLost(Corrupt):
    """The last packet of a file that is cut off is not complete.

    Args:
        text: What shows that.
        pts: When its picture would be shown, in the stream's time base.
    """

    def __init__(self, text: str, pts: int | None) -> None:
        super().__init__(text)
        self.pts = pts


def with_true_flags(
    packets: "Iterable[tuple[av.Packet[VideoStream], bool]]",
    format_name: str,
    time_base: Fraction,
) -> "Iterator[av.Packet[VideoStream]]":
    """Yield packets, those flagged as corrupt that are: others only lie at a joint, or at the end.

    Args:
        packets: As they are demuxed, each with whether something was wrong in doing so.
        format_name: Their container, as FFmpeg names it.
        time_base: Seconds in a unit of their times.

    Raises:
        Corrupt: The file is cut off, or what the packets raise in the end.
    """
    window: deque[tuple[av.Packet[VideoStream], bool]] = deque()
    is_cut_off = False
    end: Exception | None = None
    try:
        for demuxed in packets:
            window.append(demuxed)
            if len(window) > _AHEAD:
                first, complained = window.popleft()
                if first.is_corrupt and format_name != _COUNTING_FORMAT:
                    is_cut_off, first.is_corrupt = True, False
                if first.is_corrupt:
                    ahead = pairwise([first, *(packet for packet, _ in window)])
                    first.is_corrupt = not any(_is_joint(*two, time_base) for two in ahead)
                first.is_corrupt |= complained
                yield first
    except (Corrupt, FFmpegError) as error:
        end = error
        is_cut_off |= format_name in _LAST_IS_IN_DOUBT
    if window and (is_cut_off or any(packet.is_corrupt for packet, _ in window)):
        lost, _ = window.pop()  # it lacks something, the others do not
        if end is None or isinstance(end, Corrupt):
            end = PacketLost(str(end or CUT_OFF), lost.pts)
    for packet, complained in window:
        packet.is_corrupt = complained
        yield packet
    if end is not None:
        raise end


def _is_joint(
    before: "av.Packet[VideoStream]", after: "av.Packet[VideoStream]", time_base: Fraction
) -> bool:
    """Return whether a new recording begins, as its clock and its keyframe say.

    A transport stream counts its packets: where the count begins anew, some seem to be lost.
    """
    if before.dts is None or after.dts is None or not after.is_keyframe:
        return False
    return not 0 < (after.dts - before.dts) * time_base <= 1
