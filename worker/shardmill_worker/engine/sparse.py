"""Decoding no more than the wanted frames need: runs of packets, the rest is read and dropped.

Nothing seeks: a container's index may be wrong or absent, and reading a packet costs a hundredth
of decoding it.  A run begins where nothing from before is needed and ends with the last packet
that is wanted; within it, packets that nobody needs are left out.  Every frame that comes out is
checked against what was announced, and at the first surprise, or sign of damage, the caller decodes
straight through.  The first packet is always decoded: encoders put there what holds for all, as
tables, and what they are, which decoders go by.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream
from msgspec import Struct
from numpy.typing import NDArray

from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.packets import Packets
from shardmill_worker.engine.work import Advance


class Surprise(Exception):
    """The decoder's frames are not those that the packets announced."""


class Run(Struct, frozen=True):
    """Packets that are decoded one after the other, from a fresh decoder."""

    start: int
    """Position of the first."""
    stop: int
    """End of the positions (exclusive)."""


def runs_for(packets: Packets, wanted: NDArray[np.int64]) -> list[Run]:
    """Return the shortest runs that give the wanted frames exactly, in the order of decoding.

    A frame shown before the start that it follows may need frames from before that start (an
    open group of pictures), so it takes the start before.

    Args:
        packets: All packets of the stream.
        wanted: Shape (K,).  Positions of the packets of the wanted frames, in any order.
    """
    starts = np.flatnonzero(packets.start)
    runs: list[Run] = []
    for first, last in sorted((_start_for(packets, starts, p), p) for p in wanted.tolist()):
        if runs and first <= runs[-1].stop:
            runs[-1] = Run(runs[-1].start, max(runs[-1].stop, last + 1))
        else:
            runs.append(Run(first, last + 1))
    return runs


def _start_for(packets: Packets, starts: NDArray[np.int64], position: int) -> int:
    before = starts[: np.searchsorted(starts, position, side="right")]
    for start in before[::-1].tolist():
        if packets.pts[start] <= packets.pts[position]:
            return int(start)
    return 0


def wanted_frames(
    media: Media, packets: Packets, wanted: NDArray[np.int64], advance: Advance
) -> Iterator[av.VideoFrame]:
    """Yield the frames of the wanted packets in display order, each valid until the next.

    Args:
        media: Open at its beginning.
        packets: What a survey of the same stream found.
        wanted: Shape (K,).  Positions of packets.
        advance: Called once a decoded frame.

    Raises:
        Surprise: The decoder gave other frames, or the file other packets.
        ItemError: The file cannot be read or decoded.
    """
    needed = ~packets.spare
    needed[wanted] = True
    ahead = iter(np.sort(packets.pts[wanted]).tolist())
    next_pts = next(ahead, None)
    reader = _Reader(media, packets.pts)
    with media_faults("The file cannot be decoded"):
        runs = runs_for(packets, wanted)
        if runs[0].start > 0:
            reader.decode_first()
        for run in runs:
            fed = [p for p in range(run.start, run.stop) if needed[p]]
            for picture in _checked(reader.decode(fed), packets, fed):
                advance()
                if picture.pts == next_pts:
                    yield picture
                    next_pts = next(ahead, None)
    if next_pts is not None:
        raise Surprise


class _Reader:
    """Reads packets in order and decodes those that are asked for."""

    def __init__(self, media: Media, pts: NDArray[np.int64]) -> None:
        self._context = media.stream.codec_context
        self._watch = media.stopwatch
        self._packets = media.packets()
        self._log = media.log
        self._aspects = media.aspects
        self._pts = pts
        self._position = 0

    def decode_first(self) -> None:
        """Let the decoder see the first packet, whatever it makes of it."""
        with suppress(FFmpegError):
            self._context.decode(next(self._packets, None))
        self._position += 1
        self._log.texts()

    def decode(self, positions: Sequence[int]) -> Iterator[av.VideoFrame]:
        """Yield the frames of the packets at these positions, from a fresh decoder."""
        self._context.flush_buffers()
        for position in positions:
            packet = next(self._packets, None)
            while packet is not None and self._position < position:
                self._position += 1
                packet = next(self._packets, None)
            if packet is None or packet.pts != self._pts[position]:
                raise Surprise
            self._position += 1
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def _decoded(self, packet: "av.Packet[VideoStream] | None") -> "list[av.VideoFrame]":
        frames = self._context.decode(packet)
        self._watch.was("decode")
        if packet is not None:
            self._aspects.decoded(packet)
        if self._log.damage() is not None or any(frame.is_corrupt for frame in frames):
            raise Surprise
        return frames


def _checked(
    pictures: Iterator[av.VideoFrame], packets: Packets, fed: list[int]
) -> Iterator[av.VideoFrame]:
    """Let through what was announced; what is shown before the run's start may be damaged."""
    first = packets.pts[fed[0]] if packets.start[fed[0]] else packets.pts.min()
    shown = [p for p in fed if packets.shown[p] and packets.pts[p] >= first]
    expected = iter(np.sort(packets.pts[shown]).tolist())
    for picture in pictures:
        if picture.pts is None:
            raise Surprise
        if picture.pts < first:
            continue
        if picture.pts != next(expected, None):
            raise Surprise
        yield picture
    if next(expected, None) is not None:
        raise Surprise
