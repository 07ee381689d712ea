"""A clip and its frames: the bytes of those that are asked for, decoded into one array."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import read_range
from shardmill.dataset.index import ClipEntry
from shardmill.read.frames import Pixels, decode_into, read_into
from shardmill.read.index_file import ADVICE
from shardmill.read.runs import PAGE_BYTES, runs
from shardmill.storage.files import open_to_read, refuse_link


class Stretch(NamedTuple):
    """Frames of an excerpt that follow each other and lie in one shard."""

    rows: slice
    """Which of the T frames they are."""
    file: str
    """Path of the shard."""
    shard_bytes: int
    """Size of the shard, as its index says."""


class Excerpt(Struct, frozen=True, eq=False, kw_only=True):
    """Some frames of a clip, and what a training example says of the clip; T frames."""

    clip_id: str
    """Stable name of the clip: a hash of the path and the number of the clip in its file."""
    path: str
    """Source, as printed in the manifest."""
    label_ids: tuple[int, ...]
    """Numbers of all its classes."""
    encoding: str
    """``jpeg``, ``png`` or ``raw``."""
    width: int
    """Width of every frame, pixels."""
    height: int
    """Height of every frame, pixels."""
    numbers: NDArray[np.int64]
    """Which frames of the clip, from 0, in any order.  Shape (T,)."""
    offset: NDArray[np.int64]
    """First byte of each encoded frame in the shard.  Shape (T,)."""
    length: NDArray[np.int32]
    """Size of each encoded frame, bytes.  Shape (T,)."""
    pts_ns: NDArray[np.int64]
    """When each frame is shown, on the stream's own clock.  Shape (T,)."""
    stretches: Sequence[Stretch]
    """Where they lie, T frames in all: one shard, but for a clip that was cut."""
    threads: int = 1
    """Threads that decode."""

    @property
    def label_id(self) -> int | None:
        """Class number, the first if there are several; None if unlabelled."""
        return self.label_ids[0] if self.label_ids else None

    def canvas(self, count: int) -> Pixels:
        """Return room for ``count`` frames, with anything in it.  Shape (count, H, W, 3), uint8."""
        return np.empty((count, self.height, self.width, 3), np.uint8)

    def decode(self, pixels: Pixels) -> None:
        """Decode the frames; those that lie together are read with one request.

        Args:
            pixels: Receives them.  Shape (T, H, W, 3), uint8, RGB, contiguous.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        if not self.numbers.size:
            return
        if self.encoding == "raw":
            self._check_raw()
        for stretch in self.stretches:
            with self._shard(stretch) as fd:
                if self.encoding == "raw":
                    starts, stops = self._spans(stretch)
                    for run in runs(starts, stops, gap_bytes=0):
                        read_into(pixels[stretch.rows][run], fd, starts[run.start])
                else:
                    for first, frames in self._encoded(fd, stretch):
                        self._decode(frames, first, pixels[first : first + len(frames)])

    def crc32c(self) -> int:
        """Return the CRC-32C of the encoded frames, one after the other.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        crc = 0
        for stretch in self.stretches:
            with self._shard(stretch) as fd:
                for _, frames in self._encoded(fd, stretch):
                    for frame in frames:
                        crc = google_crc32c.extend(crc, bytes(frame))
        return crc

    def damaged(self, what: str, row: int = 0) -> DatasetDamaged:
        """Return the error that says what is wrong with the clip.

        Args:
            what: What is wrong.
            row: Which of the T frames it concerns: their shard is named.
        """
        here = (stretch.file for stretch in self.stretches if row < stretch.rows.stop)
        return DatasetDamaged(f"clip {self.clip_id} in {next(here)}: {what}; {ADVICE}")

    @contextmanager
    def _shard(self, stretch: Stretch) -> Iterator[int]:
        """Give the descriptor of a shard, which holds all the bytes that are asked for."""
        rows = stretch.rows
        refuse_link(os.path.dirname(stretch.file))
        fd = open_to_read(stretch.file)
        try:
            size, expected = os.fstat(fd).st_size, stretch.shard_bytes
            if size != expected:
                raise self.damaged(f"expected a file of {expected} bytes, found {size}", rows.start)
            offset, length = self.offset[rows], self.length[rows]
            if ((offset < 0) | (length < 0) | (offset > size - length)).any():
                raise self.damaged(f"its frames are not in a file of {size} bytes", rows.start)
            yield fd
        finally:
            os.close(fd)

    def _check_raw(self) -> None:
        """Refuse raw frames of another size."""
        expected = self.height * self.width * 3
        wrong = np.flatnonzero(self.length != expected)
        if wrong.size:
            row = int(wrong[0])
            what = f"frame {self.numbers[row]} does not decode: expected {expected} bytes"
            raise self.damaged(what, row)

    def _encoded(self, fd: int, stretch: Stretch) -> Iterator[tuple[int, list[memoryview]]]:
        """Yield encoded frames that lie together, and which of the T is the first of them."""
        starts, stops = self._spans(stretch)
        for run in runs(starts, stops, gap_bytes=PAGE_BYTES):
            begin = starts[run.start]
            view = memoryview(read_range(fd, begin, stops[run.stop - 1]))
            spans = zip(starts[run], stops[run], strict=True)
            yield (
                stretch.rows.start + run.start,
                [view[start - begin : stop - begin] for start, stop in spans],
            )

    def _spans(self, stretch: Stretch) -> tuple[list[int], list[int]]:
        """Return the first byte of each frame of a stretch, and its end, exclusive."""
        offset, length = self.offset[stretch.rows], self.length[stretch.rows]
        return offset.tolist(), (offset + length).tolist()

    def _decode(self, frames: list[memoryview], first: int, pixels: Pixels) -> None:
        """Decode encoded frames, the first of which is number ``first`` of the T."""

        def every_nth_from(start: int) -> None:
            for i in range(start, len(frames), self.threads):
                try:
                    decode_into(pixels[i], frames[i], encoding=self.encoding)
                except ValueError as error:
                    what = f"frame {self.numbers[first + i]} does not decode: {error}"
                    raise self.damaged(what, first + i) from error

        if self.threads == 1 or len(frames) == 1:
            every_nth_from(0)
            return
        with ThreadPoolExecutor(self.threads) as pool:  # ends here: nothing that a fork could break
            list(pool.map(every_nth_from, range(self.threads)))


class StoredPart(NamedTuple):
    """A clip, or a part of one that was cut, as it lies in a shard."""

    entry: ClipEntry
    """Its row in the index."""
    file: str
    """Path of its shard."""
    shard_bytes: int
    """Size of the shard, as its index says."""


class Clip(Struct, frozen=True, eq=False):
    """The frames kept of one input.

    Clips are equal that have the same shards, name and checksums of their frames.
    """

    parts: tuple[StoredPart, ...]
    """Where it lies: one part, or several in the order of time."""
    threads: int = 1
    """Threads that decode what is asked for at a time."""

    @property
    def entry(self) -> ClipEntry:
        """The row of its first part in the index."""
        return self.parts[0].entry

    @property
    def clip_id(self) -> str:
        """Stable name: a hash of the path and the number of the clip in its file."""
        return self.entry.clip_id

    @property
    def path(self) -> str:
        """Source, as printed in the manifest."""
        return self.entry.path

    @property
    def label(self) -> str | None:
        """Class name, the first if there are several; None if unlabelled."""
        return self.entry.label

    @property
    def label_id(self) -> int | None:
        """Class number; None if unlabelled."""
        return self.entry.label_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all its classes."""
        return tuple(self.entry.labels)

    @property
    def label_ids(self) -> tuple[int, ...]:
        """Numbers of all its classes."""
        return tuple(self.entry.label_ids)

    @property
    def extra(self) -> dict[str, Any]:
        """What else its annotation says; empty without one."""
        found: dict[str, Any] = json.loads(self.entry.extra or "{}")
        return found

    @property
    def pts_ns(self) -> NDArray[np.int64]:
        """When each frame is shown, on the stream's own clock.  Shape (N,)."""
        return np.concatenate([part.entry.frames.pts_ns for part in self.parts])

    def __len__(self) -> int:
        return sum(part.entry.frames.pts_ns.size for part in self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def frames(self, start: int = 0, stop: int | None = None) -> Pixels:
        """Return the frames ``[start, stop)``.

        Returns:
            Shape (T, H, W, 3), uint8, RGB.

        Raises:
            IndexError: The range leaves the clip.
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"expected a range in [0, {len(self)}), got [{start}, {stop})")
        pixels = self.canvas(stop - start)
        self.decode(np.arange(start, stop), pixels)
        return pixels

    def canvas(self, count: int) -> Pixels:
        """Return room for ``count`` frames, with anything in it.  Shape (count, H, W, 3), uint8."""
        return np.empty((count, self.entry.height, self.entry.width, 3), np.uint8)

    def decode(self, numbers: NDArray[np.int64], pixels: Pixels) -> None:
        """Decode frames by their numbers; those that lie together are read with one request.

        Args:
            numbers: Which frames, in any order.  Shape (T,).
            pixels: Receives them.  Shape (T, H, W, 3), uint8, RGB, contiguous.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        self._excerpt(numbers).decode(pixels)

    def check(self) -> None:
        """Read all its encoded frames and compare them with their checksum in the index.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        start = 0
        for part in self.parts:
            stop = start + part.entry.frames.pts_ns.size
            excerpt = self._excerpt(np.arange(start, stop))
            if excerpt.crc32c() != part.entry.crc32c:
                raise excerpt.damaged("its frames do not match their checksum")
            start = stop

    def _excerpt(self, numbers: NDArray[np.int64]) -> Excerpt:
        tables = [part.entry.frames for part in self.parts]
        edges = np.cumsum([0, *(table.pts_ns.size for table in tables)])
        stretches = [
            Stretch(rows, self.parts[part].file, self.parts[part].shard_bytes)
            for part, rows in stretches_of(numbers, edges)
        ]
        offset, length, pts_ns = (
            np.concatenate([getattr(table, name) for table in tables])[numbers]
            for name in ("offset", "length", "pts_ns")
        )
        return Excerpt(
            clip_id=self.clip_id,
            path=self.path,
            label_ids=self.label_ids,
            encoding=self.entry.encoding,
            width=self.entry.width,
            height=self.entry.height,
            numbers=numbers,
            offset=offset,
            length=length,
            pts_ns=pts_ns,
            stretches=stretches,
            threads=self.threads,
        )

    def _key(self) -> tuple[tuple[str, str, int], ...]:
        return tuple((part.file, part.entry.clip_id, part.entry.crc32c) for part in self.parts)


def stretches_of(
    numbers: NDArray[np.int64], edges: NDArray[np.int64]
) -> Iterator[tuple[int, slice]]:
    """Yield the parts of a clip that frames lie in, each with those that follow each other there.

    Args:
        numbers: Frames of the clip, in any order.  Shape (T,).
        edges: First frame of each part, and how many there are in all.  Shape (P + 1,).
    """
    parts = np.searchsorted(edges, numbers, side="right") - 1
    cuts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), numbers.size]
    for start, stop in pairwise(cuts):
        if start < stop:
            yield int(parts[start]), slice(start, stop)
