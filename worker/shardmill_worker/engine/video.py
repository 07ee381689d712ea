"""Choosing and reading the frames of a video: exact first, cheap second.

Three ways lead to the same frames.  If every frame is wanted, they are counted as they come.  Else
the packets tell the frames' times, which costs no decoding, and no more is decoded than the chosen
frames need.  Where packets and frames differ, the packets told no truth: all is decoded once for
the times alone and once more for the pictures.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Generic

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt, Empty, ItemError
from shardmill.contract.options.sampling import (
    NS_PER_S,
    EveryFrame,
    EveryNth,
    KeyframesOnly,
    Selection,
)
from shardmill.contract.options.timeline import Timeline
from shardmill.contract.schema import Item
from shardmill_worker.engine.bitstream import inspector_of
from shardmill_worker.engine.decode import Clock, SourceFrame, in_bursts, source_frames
from shardmill_worker.engine.gathering import Gathering, Keep, Kept
from shardmill_worker.engine.media import Media, Reopen
from shardmill_worker.engine.packets import Packets, survey, timeline_of
from shardmill_worker.engine.sparse import Surprise, wanted_frames
from shardmill_worker.engine.work import Advance


class Reading(Struct, Generic[Kept], frozen=True):
    """What came out of a video."""

    kept: list[Kept]
    """What was made of each chosen frame, in display order."""
    decoded: int
    """Frames the decoder gave for them."""
    damage: Corrupt | None = None
    """What ended the video early; None if it is sound."""


class _Way(Struct, frozen=True):
    """A way to the frames of a video."""

    timeline: Timeline
    """When they are shown."""
    packets: Packets | None
    """What lets frames be skipped; None decodes straight through."""
    damage: Corrupt | None
    """What ends the video early."""


class VideoReader(Struct, frozen=True, kw_only=True):
    """Reads the chosen frames of the items of one video."""

    reopen: Reopen
    selection: Selection
    """Which frames of what an item was asked for; those outside its part are left out."""
    keep_partial: bool = False
    """Keep the frames before the damage of a broken file, instead of none."""
    advance: Advance
    """Called once a decoded frame, and now and then while packets are read."""

    def read(self, item: Item, keep: Keep[Kept]) -> Reading[Kept]:
        """Return what came of one item.

        Raises:
            ItemError: The video cannot be used, or holds no frame that was asked for.
        """
        (result,) = self.read_all([item], [keep])
        if isinstance(result, ItemError):
            raise result
        return result

    def read_all(
        self, items: Sequence[Item], keeps: Sequence[Keep[Kept]]
    ) -> Iterator[Reading[Kept] | ItemError]:
        """Decode the video once and yield what came of each item, in their order.

        What was decoded for several items counts for the first of them.

        Args:
            items: Parts of one file.
            keeps: Makes something of the frames, one an item.

        Raises:
            ItemError: The video cannot be used: that is what came of all items that are left.
        """
        if len(items) == 1 and (step := self._plain_step(items[0])) is not None:
            yield self._by_count(step, keeps[0])
            return
        done = 0
        for way in self._ways():
            # A sparse reading may stumble over nothing: whether the file is corrupt, the straight
            # way decides.
            distrusted = (Surprise,) if way.packets is None else (Surprise, Corrupt)
            with suppress(*distrusted):
                while done < len(items):
                    for result in self._pass(way, items[done:], keeps[done:]):
                        done += 1
                        yield result
                return
        raise Corrupt("Two readings of the file gave different frames.")

    def timeline(self) -> Timeline:
        """Return when the frames are shown, to the last one that can be used.

        Raises:
            ItemError: The video cannot be used.
        """
        return next(self._ways()).timeline

    def _plain_step(self, item: Item) -> int | None:
        """Return N for every N-th frame from the first, if no time is asked for.

        Every frame needs no times; every N-th needs none where nothing could be skipped.
        """
        asked = _asked(self.selection, item)
        limits = (asked.end_ns, item.start_ns, item.end_ns)
        if asked.start_ns or any(limit is not None for limit in limits):
            return None
        if isinstance(asked.policy, EveryNth):
            with self.reopen() as media:
                if inspector_of(media.stream.codec_context) is None:
                    return asked.policy.step
        return 1 if isinstance(asked.policy, EveryFrame) else None

    def _by_count(self, step: int, keep: Keep[Kept]) -> Reading[Kept]:
        keep.begin()
        kept: list[Kept] = []
        with self.reopen() as media:
            frames = _Frames(media, self.advance, self.keep_partial)
            for frame in frames if self.selection.max_frames else in_bursts(frames):
                if frame.index % step == 0:
                    kept.append(keep(media, frame))
                    if len(kept) == self.selection.max_frames:
                        break
        return Reading(kept, frames.count, frames.damage)

    def _ways(self) -> Iterator[_Way]:
        """Yield the ways to the frames, the cheapest first; a surprise leads to the next."""
        found = survey(self.reopen, self.advance)
        if found.damage is not None and not self.keep_partial:
            raise found.damage
        if found.timeline is not None and found.packets is not None:
            yield _Way(found.timeline, found.packets, found.damage)
        if found.timeline is not None:
            yield _Way(found.timeline, None, found.damage)
        timeline, damage = self._decoded_timeline()
        yield _Way(timeline, None, damage)

    def _pass(
        self, way: _Way, items: Sequence[Item], keeps: Sequence[Keep[Kept]]
    ) -> Iterator[Reading[Kept] | ItemError]:
        """Yield what came of the first items, one at least, from one pass over the file."""
        chosen = [chosen_frames(self.selection, item, way.timeline) for item in items]
        gathering = Gathering(chosen, keeps)
        decoded = 0

        def advance() -> None:
            nonlocal decoded
            decoded += 1
            self.advance()

        def finished() -> Iterator[Reading[Kept] | ItemError]:
            nonlocal decoded
            for kept in gathering.finished():
                empty = no_frame(self.selection, way.timeline)
                yield Reading(kept, decoded, way.damage) if kept else empty
                decoded = 0

        yield from finished()  # those that hold no frame
        if gathering.is_over():
            return
        frames = self._sparse if way.packets is not None else self._straight
        with self.reopen() as media:
            for frame in frames(media, way, gathering.indices, advance):
                gathering.take(media, frame)
                yield from finished()
                if gathering.is_over():
                    return
        raise Surprise

    def _sparse(
        self, media: Media, way: _Way, indices: NDArray[np.int64], advance: Advance
    ) -> Iterator[SourceFrame]:
        """Decode no more than the chosen frames need."""
        packets, timeline = way.packets, way.timeline
        assert packets is not None
        shown = np.flatnonzero(packets.shown)
        wanted = shown[np.argsort(packets.pts[shown])][indices]
        pictures = wanted_frames(media, packets, wanted, advance)
        for index, picture in zip(indices.tolist(), pictures, strict=True):
            self._check_keyframe(picture.key_frame, timeline, index)
            yield SourceFrame(
                picture,
                int(timeline.pts_ns[index]),
                index,
                picture.key_frame,
                media.aspects.of(picture),
            )

    def _straight(
        self, media: Media, way: _Way, indices: NDArray[np.int64], advance: Advance
    ) -> Iterator[SourceFrame]:
        """Decode from the beginning to the last chosen frame."""
        wanted, last = frozenset(indices.tolist()), int(indices[-1])
        for frame in _Frames(media, advance, self.keep_partial):
            if frame.pts_ns != way.timeline.pts_ns[frame.index]:
                raise Surprise
            self._check_keyframe(frame.keyframe, way.timeline, frame.index)
            if frame.index in wanted:
                yield frame
            if frame.index == last:
                return

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

    def _check_keyframe(self, keyframe: bool, timeline: Timeline, index: int) -> None:
        """Raise if the choice went by a keyframe flag that is wrong."""
        by_keyframe = isinstance(self.selection.policy, KeyframesOnly)
        if by_keyframe and keyframe != timeline.keyframe[index]:
            raise Surprise


def chosen_frames(selection: Selection, item: Item, timeline: Timeline) -> NDArray[np.int64]:
    """Return the chosen frames that start in the item's part of the stream, shape (K,)."""
    chosen = timeline.choose(_asked(selection, item))
    times_ns = timeline.pts_ns[chosen]
    inside = np.ones(chosen.shape, dtype=np.bool_)
    if item.start_ns is not None:
        inside &= times_ns >= item.start_ns
    if item.end_ns is not None:
        inside &= times_ns < item.end_ns
    return chosen[inside]


def _asked(selection: Selection, item: Item) -> Selection:
    return selection.within(item.clip_start_ns, item.clip_end_ns)


def no_frame(selection: Selection, timeline: Timeline) -> Empty:
    """Return what is wrong with an item in which no frame is chosen."""
    length_s = (timeline.end_ns - int(timeline.pts_ns[0])) / NS_PER_S
    has = f"the video has {timeline.pts_ns.size} frames in {length_s:.3f} s"
    if isinstance(selection.policy, KeyframesOnly) and not timeline.keyframe.any():
        return Empty(f"No frame on show is a keyframe: {has}.")
    return Empty(f"No frame lies in the range asked for: {has}.")


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
