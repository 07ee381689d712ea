"""Times of a track's samples by its tables: ISO/IEC 14496-12, 8.6."""

from collections.abc import Sequence
from fractions import Fraction
from struct import Struct as Layout
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill_worker.engine.containers.boxes import Span, boxes
from shardmill_worker.engine.containers.track import Timing
from shardmill_worker.engine.source import OnlyLibav
from shardmill_worker.engine.times import MAX_INDEX, MAX_PACKETS, are_even, pace

_UINT32: Final = Layout(">I")
_UINT64: Final = Layout(">Q")
_TWO_UINT32: Final = Layout(">II")
_EDITS: Final = (Layout(">IIiI"), Layout(">IQqI"))
"""Count and only entry of an edit list, of version 0 and 1."""
_NORMAL_SPEED: Final = 1 << 16
_MAX_STEP: Final = 2**31
_US_PER_S: Final = 1_000_000


class Clocks(Struct, frozen=True):
    """Ticks a second, and durations."""

    movie_hz: int
    media_hz: int
    media_ticks: int
    """Duration of the track as its header claims it."""


class Lasting(Struct, frozen=True):
    """When a track is shown, on the file's clock."""

    start_us: int
    length_us: int
    ticks: int
    """Its length on its own clock."""


def whole_us(tracks: Sequence[Lasting]) -> int:
    """Return how long a file lasts that has these tracks, in microseconds, as FFmpeg counts."""
    start_us = min(track.start_us for track in tracks)
    end_us = max(track.start_us + track.length_us for track in tracks)
    return max(end_us - start_us, *(track.length_us for track in tracks))


class SampleTable(Struct, frozen=True):
    """The boxes of a track's sample table, each within the movie box."""

    data: bytes
    spans: dict[bytes, Span]

    def span(self, kind: bytes) -> Span:
        """Return where a box is.

        Raises:
            OnlyLibav: It is missing.
        """
        if kind not in self.spans:
            raise OnlyLibav
        return self.spans[kind]

    def first_packet(self) -> tuple[int, int]:
        """Return where in the file the first sample begins, and its size in bytes.

        Raises:
            OnlyLibav: The table does not say it, or its chunks hold more or fewer samples.
        """
        name, layout = (b"co64", _UINT64) if b"co64" in self.spans else (b"stco", _UINT32)
        begin, end = self.span(name)
        if begin + 8 + layout.size > end:
            raise OnlyLibav
        (chunks,) = _UINT32.unpack_from(self.data, begin + 4)
        firsts, counts, _ = self._column(b"stsc", 3).T
        runs = np.concatenate((firsts[1:], [chunks + 1])) - firsts
        sizes = self._sizes()
        if firsts[:1].tolist() != [1] or min(runs) < 1 or int((runs * counts).sum()) != sizes.size:
            raise OnlyLibav
        if begin + 8 + chunks * layout.size > end:
            raise OnlyLibav
        (offset,) = layout.unpack_from(self.data, begin + 8)
        return offset, int(sizes[0])

    def lasting(self, clocks: Clocks, edits: Span | None, *, is_video: bool) -> Lasting:
        """Return when the track is shown.

        Raises:
            OnlyLibav: A sample is empty or has no duration, or an edit list hides or moves some.
        """
        counts, steps = self._column(b"stts", 2).T
        if not counts.size or min(counts) < 1 or not 0 < min(steps) <= max(steps) < _MAX_STEP:
            raise OnlyLibav
        sizes = self._sizes()
        if int(counts.sum()) != sizes.size or not (sizes.all() or not is_video):
            raise OnlyLibav
        ticks = min(clocks.media_ticks, int((counts * steps).sum()))
        begin, end = 0, ticks
        if edits is not None:
            begin, end = self._edit(clocks, edits)
            ticks = min(ticks, end - begin)
        start = self._start(begin, end, is_edited=edits is not None) if is_video else 0
        if ticks <= 0 or start < 0:
            raise OnlyLibav
        return Lasting(_us(start, clocks.media_hz), _us(ticks, clocks.media_hz), ticks)

    def timing(self, clocks: Clocks, lasting: Lasting) -> Timing:
        """Return the rate, whether it varies, the number of frames and the duration of a video."""
        counts, steps = self._column(b"stts", 2).T
        frames = int(counts.sum())
        # The last sample's duration is no step to another.
        inner = steps[:-1] if counts[-1] == 1 else steps
        is_even = not inner.size or are_even(int(inner.min()), int(inner.max()))
        return Timing(
            rate_hz=Fraction(clocks.media_hz * frames, int((counts * steps).sum())),
            varies=False if is_even else self._varies(clocks.media_hz),
            frames=frames,
            duration_s=float(lasting.ticks * Fraction(1, clocks.media_hz)),
        )

    def _start(self, begin: int, end: int, *, is_edited: bool) -> int:
        """Return when the first sample is shown, in ticks from the edit's beginning.

        Raises:
            OnlyLibav: The edit hides some samples.
        """
        if not is_edited and b"ctts" not in self.spans:
            return 0
        shown, _ = self._times(MAX_INDEX)
        if is_edited and not begin <= int(shown.min()) <= int(shown.max()) < end:
            raise OnlyLibav
        return int(shown[0]) - begin

    def _edit(self, clocks: Clocks, edits: Span) -> Span:
        """Return the times between which the only edit of a list shows the media, in ticks."""
        lists = [span for kind, span in boxes(self.data, edits) if kind == b"elst"]
        if len(lists) != 1:
            raise OnlyLibav
        begin, end = lists[0]
        layout = _EDITS[self.data[begin] & 1]
        if end - begin != 4 + layout.size:
            raise OnlyLibav
        count, length, start, rate = layout.unpack_from(self.data, begin + 4)
        if count != 1 or length == 0 or start < 0 or rate != _NORMAL_SPEED:
            raise OnlyLibav
        ticks = (2 * length * clocks.media_hz + clocks.movie_hz) // (2 * clocks.movie_hz)
        return start, start + ticks

    def _times(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return times on screen and of decoding of the first samples, each of shape (N,)."""
        decoded = np.cumsum(self._expanded(b"stts", most))
        decoded = np.concatenate(([0], decoded[:-1]))
        if b"ctts" not in self.spans:
            return decoded, decoded
        offsets = self._expanded(b"ctts", most)
        if offsets.size != decoded.size or int(offsets.max()) >= _MAX_STEP:
            raise OnlyLibav
        return decoded + offsets, decoded

    def _varies(self, media_hz: int) -> bool | None:
        """Return whether the rate varies by the times on screen, as reading packets would tell."""
        shown, decoded = self._times(MAX_PACKETS + 1)
        steps = self._expanded(b"stts", MAX_PACKETS + 1)
        stamps: Any = np.stack((shown, decoded, steps), axis=1)[:MAX_PACKETS]
        whole = shown.size <= MAX_PACKETS
        return pace(stamps.tolist(), time_base=Fraction(1, media_hz), whole=whole).varies

    def _expanded(self, kind: bytes, most: int) -> NDArray[np.int64]:
        """Return one value for each of the first samples."""
        counts, values = self._column(kind, 2).T
        if int(counts.sum()) > MAX_INDEX:
            raise OnlyLibav
        return np.repeat(values, counts)[:most]

    def _sizes(self) -> NDArray[np.int64]:
        """Return the sizes of samples in bytes, of which there is one at least."""
        begin, end = self.span(b"stsz")
        if begin + 12 > end:
            raise OnlyLibav
        equal, count = _TWO_UINT32.unpack_from(self.data, begin + 4)
        if not 0 < count <= MAX_INDEX:
            raise OnlyLibav
        if equal:
            return np.full(count, equal, np.int64)
        return self._column(b"stsz", 1, 8)[:, 0]

    def _column(self, kind: bytes, columns: int, skipped_bytes: int = 4) -> NDArray[np.int64]:
        """Return a box's entries, shape (N, columns).

        Raises:
            OnlyLibav: The box is missing, or holds fewer entries than it claims.
        """
        begin, end = self.span(kind)
        begin += skipped_bytes
        if begin + 4 > end:
            raise OnlyLibav
        (count,) = _UINT32.unpack_from(self.data, begin)
        if count > MAX_INDEX or begin + 4 + 4 * columns * count > end:
            raise OnlyLibav
        values = np.frombuffer(self.data, ">u4", columns * count, begin + 4)
        return values.astype(np.int64).reshape(count, columns)


def _us(ticks: int, hz: int) -> int:
    """Return a time in microseconds, halves rounded up."""
    return (2 * ticks * _US_PER_S + hz) // (2 * hz)
