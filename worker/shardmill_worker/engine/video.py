"""Choosing and reading the frames of a video: exact first, cheap second.

The frames' times come from the packets, which costs no decoding.  While decoding, each frame is
checked against them; where they differ, the packets told no truth: all is decoded once for the
times alone and once more for the pictures.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt, Empty
from shardmill.contract.manifest import Item
from shardmill.contract.sampling import NS_PER_S, EveryFrame, EveryNth, Selection, Timeline
from shardmill_worker.engine.decode import Clock, SourceFrame, source_frames
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.work import Advance

Kept = TypeVar("Kept")
Reopen = Callable[[], AbstractContextManager[Media]]


@dataclass(frozen=True, slots=True)
class Reading(Generic[Kept]):
    """What came out of a video."""

    kept: list[Kept]
    """What was made of each chosen frame."""
    decoded: int
    """Frames the decoder gave, up to the last that was needed."""


class _TimesDiffer(Exception):
    """The decoder's frames are not those that the packets announced."""


def read_video(
    reopen: Reopen,
    item: Item,
    selection: Selection,
    keep: Callable[[Media, SourceFrame], Kept],
    advance: Advance,
) -> Reading[Kept]:
    """Decode a video and make something of each chosen frame.

    Args:
        reopen: Opens the video, at its beginning, as often as it is called.
        item: Which part of the video.
        selection: Which frames of the whole video; those outside the item's part are left out.
        keep: Makes what is kept of a frame, which must not outlive the call.
        advance: Called once a decoded frame.

    Raises:
        ItemError: The video cannot be used, or holds no frame that was asked for.
    """
    whole = item.start_ns is None and item.end_ns is None
    if whole and (step := _plain_step(selection)):
        return _read_by_count(reopen, step, selection.max_frames, keep, advance)
    with reopen() as media:
        timeline = _packet_timeline(media)
    if timeline is not None:
        try:
            return _read_by_time(reopen, item, timeline, selection, keep, advance)
        except _TimesDiffer:
            pass
    with reopen() as media:
        timeline = _decoded_timeline(media, advance)
    try:
        return _read_by_time(reopen, item, timeline, selection, keep, advance)
    except _TimesDiffer as error:
        raise Corrupt("Two readings of the file gave different frames.") from error


def _plain_step(selection: Selection) -> int | None:
    """Return N if the selection is every N-th frame from the first: it needs no times."""
    if selection.start_ns or selection.end_ns is not None:
        return None
    if isinstance(selection.policy, EveryFrame):
        return 1
    return selection.policy.step if isinstance(selection.policy, EveryNth) else None


def _read_by_count(
    reopen: Reopen,
    step: int,
    max_frames: int | None,
    keep: Callable[[Media, SourceFrame], Kept],
    advance: Advance,
) -> Reading[Kept]:
    kept: list[Kept] = []
    decoded = 0
    with reopen() as media:
        for frame in source_frames(media, advance):
            decoded += 1
            if frame.index % step == 0:
                kept.append(keep(media, frame))
                if len(kept) == max_frames:
                    break
    return Reading(kept, decoded)


def _read_by_time(
    reopen: Reopen,
    item: Item,
    timeline: Timeline,
    selection: Selection,
    keep: Callable[[Media, SourceFrame], Kept],
    advance: Advance,
) -> Reading[Kept]:
    """Decode straight through to the last chosen frame.

    Whole groups of pictures without a chosen frame could be skipped here, and here alone.
    """
    chosen = _within(item, timeline, selection.choose(timeline))
    if chosen.size == 0:
        raise Empty(_nothing_chosen(timeline))
    wanted, last = frozenset(chosen.tolist()), int(chosen[-1])
    kept: list[Kept] = []
    decoded = 0
    with reopen() as media:
        for frame in source_frames(media, advance):
            if frame.pts_ns != timeline.pts_ns[frame.index]:
                raise _TimesDiffer
            decoded += 1
            if frame.index in wanted:
                kept.append(keep(media, frame))
            if frame.index == last:
                return Reading(kept, decoded)
    raise _TimesDiffer


def _within(item: Item, timeline: Timeline, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the chosen frames that start in the item's part of the stream."""
    times_ns = timeline.pts_ns[chosen]
    inside = np.ones(chosen.shape, dtype=np.bool_)
    if item.start_ns is not None:
        inside &= times_ns >= item.start_ns
    if item.end_ns is not None:
        inside &= times_ns < item.end_ns
    return chosen[inside]


def _nothing_chosen(timeline: Timeline) -> str:
    length_s = (timeline.end_ns - int(timeline.pts_ns[0])) / NS_PER_S
    return (
        f"No frame lies in the range asked for: the clip has {timeline.pts_ns.size} frames "
        f"in {length_s:.3f} s."
    )


def _packet_timeline(media: Media) -> Timeline | None:
    """Return the times that the packets tell, or None if they tell none or impossible ones."""
    pts: list[int] = []
    keyframe: list[bool] = []
    end = 0
    clock = Clock(media)
    with media_faults("The video cannot be read"):
        for packet in media.container.demux(media.stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if not clock.knows(packet.pts):
                return None
            pts.append(packet.pts)
            keyframe.append(packet.is_keyframe)
            end = max(end, packet.pts + (packet.duration or 0))
    if not pts:
        return None
    order = np.argsort(np.array(pts), kind="stable")
    times_ns = [clock.ns(pts[i]) for i in order]
    if any(later <= earlier for earlier, later in pairwise(times_ns)):
        return None
    return _timeline(times_ns, [keyframe[i] for i in order], clock.ns(end), clock)


def _decoded_timeline(media: Media, advance: Advance) -> Timeline:
    """Return the times of the frames that the decoder gives."""
    times_ns: list[int] = []
    keyframe: list[bool] = []
    end_ns = 0
    clock = Clock(media)
    for frame in source_frames(media, advance):
        times_ns.append(frame.pts_ns)
        keyframe.append(frame.keyframe)
        end_ns = frame.pts_ns + clock.duration_ns(frame.picture)
    return _timeline(times_ns, keyframe, end_ns, clock)


def _timeline(times_ns: list[int], keyframe: list[bool], end_ns: int, clock: Clock) -> Timeline:
    if end_ns <= times_ns[-1]:
        end_ns = times_ns[-1] + clock.frame_ns
    return Timeline(
        pts_ns=np.array(times_ns, dtype=np.int64),
        keyframe=np.array(keyframe, dtype=np.bool_),
        end_ns=end_ns,
    )
