"""Decoding a stream from its beginning: every frame in display order, times that increase."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final, TypeGuard

import av
from av.error import FFmpegError
from av.video.stream import VideoStream
from msgspec import Struct

from shardmill.contract.errors import Corrupt, Empty
from shardmill.contract.sampling import NS_PER_S
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.work import Advance

_JUMP_NS: Final = NS_PER_S
"""A step back in time by more than this is a new clock, by less a slip."""
_IMPOSSIBLE_NS: Final = 2**62
"""A time 146 years away is none: some files hold noise where a time belongs."""
_DEFAULT_RATE_HZ: Final = 25
_BURST_PIXELS: Final = 600_000
"""So many pixels are decoded ahead: eight frames of 320x240, one of 1280x720."""


class SourceFrame(Struct, frozen=True):
    """A decoded frame and its place in the stream."""

    picture: av.VideoFrame
    pts_ns: int
    """When it is shown, on the stream's own clock."""
    index: int
    """Number in display order, from 0."""
    keyframe: bool
    """True if decoding can start here."""


class _BestTime:
    """FFmpeg's choice of a frame's time: its own, or that of the packet which brought it out.

    Once more of the frames' own times than of the packets' have failed to increase, the
    packets' are taken (``guess_correct_pts`` in libavcodec/decode.c, which PyAV does not show).
    """

    def __init__(self) -> None:
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = 0
        self._faulty_dts = 0

    def of(self, pts: int | None, dts: int | None) -> int | None:
        """Return the time of the next frame in the order of decoding, None if there is none."""
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts


class Clock:
    """Turns a stream's times into strictly increasing nanoseconds.

    A frame without a time follows the one before it by one frame's duration.  A time that does
    not increase is moved just behind the one before it; if it steps back by more than a second,
    a new clock began, and all that follows is moved along.
    """

    def __init__(self, media: Media) -> None:
        self._time_base = media.time_base
        rate = media.stream.average_rate or media.stream.guessed_rate
        self.frame_ns = max(1, round(NS_PER_S / (rate or Fraction(_DEFAULT_RATE_HZ))))
        self._best = _BestTime()
        self._shift_ns = 0
        self._last_ns: int | None = None

    def knows(self, pts: int | None) -> TypeGuard[int]:
        """Return whether a time of the stream says anything."""
        return pts is not None and abs(self.ns(pts)) < _IMPOSSIBLE_NS

    def ns(self, pts: int) -> int:
        """Return a time of the stream in nanoseconds, rounded down."""
        return pts * self._time_base.numerator * NS_PER_S // self._time_base.denominator

    def duration_ns(self, picture: av.VideoFrame) -> int:
        """Return how long a frame is shown, rounded as its end would be."""
        begin = picture.pts if self.knows(picture.pts) else 0
        return self.ns(begin + picture.duration) - self.ns(begin) or self.frame_ns

    def next_ns(self, picture: av.VideoFrame) -> int:
        """Return when the next frame in display order is shown."""
        last_ns = self._last_ns
        best = self._best.of(picture.pts, picture.dts)
        if self.knows(best):
            time_ns = self.ns(best) + self._shift_ns
        else:
            time_ns = 0 if last_ns is None else last_ns + self.frame_ns
        if last_ns is not None and time_ns <= last_ns:
            behind_ns = last_ns - time_ns
            time_ns = last_ns + 1
            if behind_ns > _JUMP_NS:
                time_ns = last_ns + self.frame_ns
                self._shift_ns += behind_ns + self.frame_ns
        self._last_ns = time_ns
        return time_ns


def in_bursts(frames: Iterable[SourceFrame]) -> Iterator[SourceFrame]:
    """Yield the same frames, of small ones some decoded ahead: for who wants them all.

    Decoder and scaler push each other's code out of the caches.  Taking turns once in a few frames
    saves each a tenth (measured, 340x256).
    """
    burst: list[SourceFrame] = []
    pixels = 0
    for frame in frames:
        burst.append(frame)
        pixels += frame.picture.width * frame.picture.height
        if pixels >= _BURST_PIXELS:
            yield from burst
            burst, pixels = [], 0
    yield from burst


def source_frames(media: Media, advance: Advance) -> Iterator[SourceFrame]:
    """Yield every frame in display order.

    FFmpeg's tolerance is followed where a sound file needs it: packets before the first frame may
    be refused (a recording that starts between keyframes).  One that is refused later is damage;
    the frames before it come out first.

    Raises:
        Corrupt: The file is damaged.
        Empty: There is no frame.
    """
    clock = Clock(media)
    index = -1
    with media_faults("The file cannot be decoded"):
        for index, picture in enumerate(_pictures(media)):
            advance()
            yield SourceFrame(picture, clock.next_ns(picture), index, picture.key_frame)
    if index < 0:
        raise Empty("The file holds no frame.")


def _pictures(media: Media) -> Iterator[av.VideoFrame]:
    damage: FFmpegError | Corrupt | None = None
    started = False

    def packets_to_the_damage() -> "Iterator[av.Packet[VideoStream] | None]":
        nonlocal damage
        try:
            for packet in media.packets():
                if damage is not None and started:
                    break
                yield packet
        except Corrupt as error:
            damage = error
        yield None  # for what the decoder has held back

    for packet in packets_to_the_damage():
        try:
            pictures = media.stream.decode(packet)
        except FFmpegError as error:
            damage = damage or error  # what follows the first is often its consequence
            continue
        media.stopwatch.was("decode")
        for picture in pictures:
            if not started and isinstance(damage, FFmpegError):
                damage = None  # what came before the first frame is forgiven
            started = True
            yield picture
    if damage is not None:
        raise damage
