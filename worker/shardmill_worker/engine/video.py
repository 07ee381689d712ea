"""Choosing and reading the frames of a video: exact first, cheap second.

Three ways lead to the same frames.  If every frame is wanted, they are counted as they come.  Else
the packets tell the frames' times, which costs no decoding, and no more is decoded than the chosen
frames need.  Where packets and frames differ, the packets told no truth: all is decoded once for
the times alone and once more for the pictures.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt, Empty
from shardmill.contract.manifest import Item
from shardmill.contract.sampling import (
    NS_PER_S,
    EveryFrame,
    EveryNth,
    KeyframesOnly,
    Selection,
    Timeline,
)
from shardmill_worker.engine.bitstream import inspector_of
from shardmill_worker.engine.decode import Clock, SourceFrame, source_frames
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.packets import Packets, survey, timeline_of
from shardmill_worker.engine.sparse import Surprise, wanted_frames
from shardmill_worker.engine.work import Advance

Kept = TypeVar("Kept")
Kept_co = TypeVar("Kept_co", covariant=True)


class Reopen(Protocol):
    """Opens the file at its beginning, as often as it is called."""

    def __call__(self) -> AbstractContextManager[Media]:
        """Return the open file."""
        ...


class Keep(Protocol[Kept_co]):
    """Makes what is kept of a frame."""

    def begin(self) -> None:
        """Forget all frames so far: the reading begins again."""
        ...

    def __call__(self, media: Media, frame: SourceFrame) -> Kept_co:
        """Return what is kept; the frame itself does not outlive the call."""
        ...


@dataclass(frozen=True, slots=True)
class Reading(Generic[Kept]):
    """What came out of a video."""

    kept: list[Kept]
    """What was made of each chosen frame, in display order."""
    decoded: int
    """Frames the decoder gave for them."""
    damage: Corrupt | None = None
    """What ended the video early; None if it is sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReader(Generic[Kept]):
    """Reads the chosen frames of one item."""

    reopen: Reopen
    item: Item
    """Which part of the video."""
    selection: Selection
    """Which frames of what the item was asked for; those outside the item's part are left out."""
    keep: Keep[Kept]
    keep_partial: bool = False
    """Keep the frames before the damage of a broken file, instead of none."""
    advance: Advance
    """Called once a decoded frame, and now and then while packets are read."""

    def read(self) -> Reading[Kept]:
        """Decode the video and make something of each chosen frame.

        Raises:
            ItemError: The video cannot be used, or holds no frame that was asked for.
        """
        with self.reopen() as media:
            step = self._plain_step(media)
            if step is not None:
                return self._by_count(media, step)
            found = survey(media, self.advance)
        if found.damage is not None and not self.keep_partial:
            raise found.damage
        if found.timeline is not None and found.packets is not None:
            with suppress(Surprise, Corrupt):  # whether it is corrupt, the straight way decides
                return replace(self._sparsely(found.timeline, found.packets), damage=found.damage)
        if found.timeline is not None:
            with suppress(Surprise):
                return replace(self._straight(found.timeline), damage=found.damage)
        timeline, damage = self._decoded_timeline()
        try:
            return replace(self._straight(timeline), damage=damage)
        except Surprise as error:
            raise Corrupt("Two readings of the file gave different frames.") from error

    @property
    def _asked(self) -> Selection:
        return self.selection.within(self.item.clip_start_ns, self.item.clip_end_ns)

    def _plain_step(self, media: Media) -> int | None:
        """Return N for every N-th frame from the first, if no time is asked for.

        Every frame needs no times; every N-th needs none where nothing could be skipped.
        """
        asked = self._asked
        policy = asked.policy
        limits = (asked.end_ns, self.item.start_ns, self.item.end_ns)
        if asked.start_ns or any(limit is not None for limit in limits):
            return None
        if isinstance(policy, EveryNth) and inspector_of(media.stream.codec_context) is None:
            return policy.step
        return 1 if isinstance(policy, EveryFrame) else None

    def _by_count(self, media: Media, step: int) -> Reading[Kept]:
        self.keep.begin()
        kept: list[Kept] = []
        frames = _Frames(media, self.advance, self.keep_partial)
        for frame in frames:
            if frame.index % step == 0:
                kept.append(self.keep(media, frame))
                if len(kept) == self.selection.max_frames:
                    break
        return Reading(kept, frames.count, frames.damage)

    def _sparsely(self, timeline: Timeline, packets: Packets) -> Reading[Kept]:
        """Decode no more than the chosen frames need."""
        chosen = self._chosen(timeline)
        shown = np.flatnonzero(packets.shown)
        wanted = shown[np.argsort(packets.pts[shown])][chosen]
        self.keep.begin()
        kept: list[Kept] = []
        decoded = 0

        def advance() -> None:
            nonlocal decoded
            decoded += 1
            self.advance()

        with self.reopen() as media:
            pictures = wanted_frames(media, packets, wanted, advance)
            for index, picture in zip(chosen.tolist(), pictures, strict=True):
                time_ns = int(timeline.pts_ns[index])
                self._check_keyframe(picture.key_frame, timeline, index)
                kept.append(
                    self.keep(media, SourceFrame(picture, time_ns, index, picture.key_frame))
                )
        return Reading(kept, decoded)

    def _straight(self, timeline: Timeline) -> Reading[Kept]:
        """Decode from the beginning to the last chosen frame."""
        chosen = self._chosen(timeline)
        wanted, last = frozenset(chosen.tolist()), int(chosen[-1])
        self.keep.begin()
        kept: list[Kept] = []
        with self.reopen() as media:
            frames = _Frames(media, self.advance, self.keep_partial)
            for frame in frames:
                if frame.pts_ns != timeline.pts_ns[frame.index]:
                    raise Surprise
                self._check_keyframe(frame.keyframe, timeline, frame.index)
                if frame.index in wanted:
                    kept.append(self.keep(media, frame))
                if frame.index == last:
                    return Reading(kept, frames.count)
        raise Surprise

    def _decoded_timeline(self) -> tuple[Timeline, Corrupt | None]:
        """Return the times of the frames that the decoder gives, and the damage that ended it."""
        times_ns: list[int] = []
        keyframe: list[bool] = []
        end_ns = 0
        with self.reopen() as media:
            clock = Clock(media)
            frames = _Frames(media, self.advance, self.keep_partial)
            for frame in frames:
                times_ns.append(frame.pts_ns)
                keyframe.append(frame.keyframe)
                end_ns = frame.pts_ns + clock.duration_ns(frame.picture)
        return timeline_of(times_ns, np.array(keyframe, np.bool_), end_ns, clock), frames.damage

    def _chosen(self, timeline: Timeline) -> NDArray[np.int64]:
        """Return the chosen frames that start in the item's part of the stream."""
        chosen = self._asked.choose(timeline)
        times_ns = timeline.pts_ns[chosen]
        inside = np.ones(chosen.shape, dtype=np.bool_)
        if self.item.start_ns is not None:
            inside &= times_ns >= self.item.start_ns
        if self.item.end_ns is not None:
            inside &= times_ns < self.item.end_ns
        if not inside.any():
            length_s = (timeline.end_ns - int(timeline.pts_ns[0])) / NS_PER_S
            raise Empty(
                f"No frame lies in the range asked for: the clip has {timeline.pts_ns.size} frames "
                f"in {length_s:.3f} s."
            )
        return chosen[inside]

    def _check_keyframe(self, keyframe: bool, timeline: Timeline, index: int) -> None:
        """Raise if the choice went by a keyframe flag that is wrong."""
        by_keyframe = isinstance(self.selection.policy, KeyframesOnly)
        if by_keyframe and keyframe != timeline.keyframe[index]:
            raise Surprise


class _Frames:
    """A stream's frames, to its end or, if the rest may be lost, to its damage."""

    def __init__(self, media: Media, advance: Advance, keep_partial: bool) -> None:
        self._source = source_frames(media, advance)
        self._keep_partial = keep_partial
        self.count = 0
        """Frames so far."""
        self.damage: Corrupt | None = None
        """What ended the frames early; the first frame must be sound."""

    def __iter__(self) -> Iterator[SourceFrame]:
        try:
            for frame in self._source:
                self.count += 1
                yield frame
        except Corrupt as error:
            if not (self._keep_partial and self.count):
                raise
            self.damage = error
