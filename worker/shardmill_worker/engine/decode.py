"""Decoding a stream from its beginning: every frame in display order, times that increase."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final, TypeGuard

import av
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream
from msgspec import Struct

from shardmill.contract.errors import Corrupt, Empty
from shardmill.contract.options.sampling import NS_PER_S
from shardmill_worker.engine.bitstream import inspector_of
from shardmill_worker.engine.damaged_packets import PacketLost
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.media import Media
from shardmill_worker.engine.work import Advance

_JUMP_NS: Final = NS_PER_S
"""A step back in time by more than this is a new clock, by less a slip."""
_IMPOSSIBLE_NS: Final = 2**62
"""A time 146 years away is none: some files hold noise where a time belongs."""
_DEFAULT_RATE_HZ: Final = 25
DAMAGED_PACKET: Final = "The container marks a part of the video as damaged."
_FROM_NOTHING: Final = frozenset({PictureType.NONE, PictureType.I})
_NOT_A_KEYFRAME: Final = "first frame is no keyframe"
"""What the MPEG-4 decoder says when it makes pictures of what is not there."""
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
    sample_aspect: Fraction
    """Width to height of a stored pixel."""


class _BestTime:
    """FFmpeg's choice of a frame's time: its own, or that of the packet which brought it out.

    Once more of the frames' own times than of the packets' have failed to increase, the
    packets' are taken (``guess_correct_pts`` in libavcodec/decode.c, which PyAV does not show).
    Other than there a single slip counts for nothing, as long as both times are close to each
    other: it would give every later frame another time than a reading that starts behind it.

    Args:
        close: How far apart two times of one frame may be, in the stream's time base.
    """

    def __init__(self, close: Fraction) -> None:
        self._close = close
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
        if pts is None or dts is None:
            return dts if pts is None else pts
        slips = 1 if abs(pts - dts) < self._close else 0
        return pts if self._faulty_pts <= self._faulty_dts + slips else dts


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
        self._best = _BestTime(close=1 / self._time_base)
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


class Decoding:
    """Decodes a stream's packets one after the other, up to the first damage.

    What libav refuses, what it complains of in its log and what it flags as corrupt is damage: it
    paints over what is missing and goes on.  FFmpeg's tolerance is followed where a sound file
    needs it: a recording that starts between keyframes begins with packets that need what is not
    there, and so may those that are shown before the first keyframe.  What is wrong with a packet
    at which decoding could not start is forgiven if it is shown before all pictures that come out.
    """

    def __init__(self, media: Media) -> None:
        self._media = media
        self._inspect = inspector_of(media.stream.codec_context)
        self._saw_start = False
        self._started = False
        self._waits_for_keyframe = False
        self._is_over = False
        self._flagged: set[int | None] = set()
        self._held = 0
        self._early: _Damage | None = None
        self._damage: _Damage | None = None

    @property
    def damage(self) -> FFmpegError | Corrupt | None:
        """What ends the sound part of the stream; no further packet is to be decoded then."""
        return None if self._damage is None else self._damage.error

    @property
    def refusal(self) -> FFmpegError | Corrupt | None:
        """What was forgiven, until a picture comes out."""
        return None if self._early is None else self._early.error

    def feed(self, packet: "av.Packet[VideoStream] | None") -> list[av.VideoFrame]:
        """Return the sound pictures that a packet brings out, in display order.

        Args:
            packet: None for what the decoder has held back.
        """
        log = self._media.log
        is_start = packet is not None and self._is_start(packet)
        self._saw_start |= is_start
        pts = packet.pts if packet is not None else None
        if packet is not None and packet.is_keyframe:
            self._flagged.add(pts)
        try:
            pictures = self._media.stream.decode(packet)
        except FFmpegError as error:
            log.texts()  # the error says it
            self._notice(_Damage(error, pts), is_start)
            return []
        self._media.stopwatch.was("decode")
        if packet is not None:
            self._media.aspects.decoded(packet)
        complaint = log.damage(starts_between=not self._saw_start)
        if complaint is None and packet is not None and packet.is_corrupt:
            complaint = Corrupt(DAMAGED_PACKET)
        if complaint is not None:
            self._waits_for_keyframe |= _NOT_A_KEYFRAME in str(complaint) and not self._saw_start
            self._notice(_Damage(complaint, pts), is_start)
        sound = list(self._sound(pictures))
        self._held += (packet is not None) - len(pictures)
        return sound

    def lose(self, packet: PacketLost) -> None:
        """Let no picture come out any more that is shown later than that of a lost packet."""
        self._damage = self._damage or _Damage(packet, packet.pts)

    def is_keyframe(self, picture: av.VideoFrame) -> bool:
        """Return whether decoding can start at a picture that came out: asked once of each.

        Some decoders flag none (QuickTime's RLE, Sorenson); then the container's flag counts, but
        for a picture that is made of others.
        """
        is_flagged = picture.pts in self._flagged
        self._flagged.discard(picture.pts)
        return picture.key_frame or (is_flagged and picture.pict_type in _FROM_NOTHING)

    def _is_start(self, packet: "av.Packet[VideoStream]") -> bool:
        if self._saw_start or self._inspect is None:
            return packet.is_keyframe
        role = self._inspect(bytes(packet))
        return role is not None and role.start

    def _notice(self, found: "_Damage", is_start: bool) -> None:
        if is_start or self._started or (self._saw_start and found.pts is None):
            self._damage = self._damage or found  # what follows the first is its consequence
        elif self._early is None or found.is_behind(self._early):
            self._early = found

    def _sound(self, pictures: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for picture in pictures:
            if self._waits_for_keyframe:
                if not picture.key_frame:
                    continue
                self._waits_for_keyframe, self._early = False, None
            if not self._started:
                self._started = True
                if self._early is not None and not self._early.is_before(picture):
                    self._damage = self._damage or self._early
            if picture.is_corrupt and self._damage is None:
                painted = Corrupt("The decoder marks a part of the video as damaged.")
                self._damage = _Damage(painted, picture.pts)
            self._is_over |= self._damage is not None and self._is_hit(picture, self._damage)
            if not self._is_over:
                yield picture

    def _is_hit(self, picture: av.VideoFrame, damage: "_Damage") -> bool:
        """Return whether a picture is the damaged one or shown later.

        Where times are missing, those may come out that were held back before the damage came in.
        """
        if picture.is_corrupt:
            return True
        if damage.pts is not None and picture.pts is not None:
            return picture.pts >= damage.pts
        self._held -= 1
        return self._held < 0


class _Damage(Struct, frozen=True):
    """What is wrong with a packet."""

    error: FFmpegError | Corrupt
    pts: int | None
    """When its picture is shown, in the stream's time base."""

    def is_behind(self, other: "_Damage") -> bool:
        """Return whether it is shown later than another."""
        return self.pts is not None and (other.pts is None or self.pts > other.pts)

    def is_before(self, picture: av.VideoFrame) -> bool:
        """Return whether it is shown before a picture, or at no time."""
        return self.pts is None or picture.pts is None or self.pts < picture.pts


def source_frames(media: Media, advance: Advance) -> Iterator[SourceFrame]:
    """Yield every frame in display order, up to the first damage.

    Raises:
        Corrupt: The file is damaged.
        Empty: There is no frame.
    """
    clock = Clock(media)
    index = -1
    with media_faults("The file cannot be decoded"):
        for index, (picture, keyframe) in enumerate(_pictures(media)):
            advance()
            aspect = media.aspects.of(picture)
            yield SourceFrame(picture, clock.next_ns(picture), index, keyframe, aspect)
    if index < 0:
        raise Empty("The file holds no frame.")


def _pictures(media: Media) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Yield pictures, each with whether it is a keyframe."""
    decoding = Decoding(media)
    is_empty = True
    cut_off: Corrupt | None = None
    try:
        for packet in media.packets():
            for picture in decoding.feed(packet):
                is_empty = False
                yield picture, decoding.is_keyframe(picture)
            if decoding.damage is not None:
                break
    except Corrupt as error:
        cut_off = error
        media.log.texts()  # the error says it
        if isinstance(error, PacketLost):
            decoding.lose(error)
    for picture in decoding.feed(None):
        is_empty = False
        yield picture, decoding.is_keyframe(picture)
    damage = decoding.damage or cut_off or (decoding.refusal if is_empty else None)
    if damage is not None:
        raise damage
