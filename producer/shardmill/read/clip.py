"""A clip and its frames: the bytes of those that are asked for, decoded into one array."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import google_crc32c
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.framing import read_range
from shardmill.dataset.index import ClipEntry
from shardmill.read.frames import Pixels, decode_into, read_into
from shardmill.read.index_file import ADVICE
from shardmill.read.runs import PAGE_BYTES, runs
from shardmill.storage.files import open_to_read, refuse_link


class Excerpt(Struct, frozen=True, eq=False, kw_only=True):
    """Some frames of a clip, and what a training example says of the clip; T frames."""

    clip_id: str
    """Stable name of the clip: a hash of path and segment."""
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
    file: str
    """Path of the shard."""
    shard_bytes: int
    """Size of the shard, as its index says."""
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
        with self._shard() as fd:
            if self.encoding == "raw":
                self._check_raw()
                starts, stops = self._spans()
                for run in runs(starts, stops, gap_bytes=0):
                    read_into(pixels[run], fd, starts[run.start])
            else:
                for first, frames in self._encoded(fd):
                    self._decode(frames, first, pixels[first : first + len(frames)])

    def crc32c(self) -> int:
        """Return the CRC-32C of the encoded frames, one after the other.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        crc = 0
        with self._shard() as fd:
            for _, frames in self._encoded(fd):
                for frame in frames:
                    crc = google_crc32c.extend(crc, bytes(frame))
        return crc

    def damaged(self, what: str) -> DatasetDamaged:
        """Return the error that says what is wrong with the clip."""
        return DatasetDamaged(f"clip {self.clip_id} in {self.file}: {what}; {ADVICE}")

    @contextmanager
    def _shard(self) -> Iterator[int]:
        """Give the descriptor of the shard, which holds all the bytes that are asked for."""
        refuse_link(os.path.dirname(self.file))
        fd = open_to_read(self.file)
        try:
            size = os.fstat(fd).st_size
            if size != self.shard_bytes:
                raise self.damaged(f"expected a file of {self.shard_bytes} bytes, found {size}")
            offset, length = self.offset, self.length
            if ((offset < 0) | (length < 0) | (offset > size - length)).any():
                raise self.damaged(f"its frames are not in a file of {size} bytes")
            yield fd
        finally:
            os.close(fd)

    def _check_raw(self) -> None:
        """Refuse raw frames of another size."""
        expected = self.height * self.width * 3
        wrong = self.numbers[self.length != expected]
        if wrong.size:
            raise self.damaged(f"frame {wrong[0]} does not decode: expected {expected} bytes")

    def _encoded(self, fd: int) -> Iterator[tuple[int, list[memoryview]]]:
        """Yield encoded frames that lie together, and which of the T is the first of them."""
        starts, stops = self._spans()
        for run in runs(starts, stops, gap_bytes=PAGE_BYTES):
            begin = starts[run.start]
            view = memoryview(read_range(fd, begin, stops[run.stop - 1]))
            spans = zip(starts[run], stops[run], strict=True)
            yield run.start, [view[start - begin : stop - begin] for start, stop in spans]

    def _spans(self) -> tuple[list[int], list[int]]:
        """Return the first byte of each frame, and its end, exclusive."""
        return self.offset.tolist(), (self.offset + self.length).tolist()

    def _decode(self, frames: list[memoryview], first: int, pixels: Pixels) -> None:
        """Decode encoded frames, the first of which is number ``first`` of the T."""

        def every_nth_from(start: int) -> None:
            for i in range(start, len(frames), self.threads):
                try:
                    decode_into(pixels[i], frames[i], encoding=self.encoding)
                except ValueError as error:
                    number = self.numbers[first + i]
                    raise self.damaged(f"frame {number} does not decode: {error}") from error

        if self.threads == 1 or len(frames) == 1:
            every_nth_from(0)
            return
        with ThreadPoolExecutor(self.threads) as pool:  # ends here: nothing that a fork could break
            list(pool.map(every_nth_from, range(self.threads)))


class Clip(Struct, frozen=True, eq=False):
    """The frames kept of one input.

    Clips are equal that have the same shard, name and checksum of their frames.
    """

    entry: ClipEntry
    """Its row in the index."""
    file: str
    """Path of its shard."""
    shard_bytes: int
    """Size of the shard, as its index says."""
    threads: int = 1
    """Threads that decode what is asked for at a time."""

    @property
    def clip_id(self) -> str:
        """Stable name: a hash of path and segment."""
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
        return self.entry.frames.pts_ns

    def __len__(self) -> int:
        return self.pts_ns.size

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
        excerpt = self._excerpt(np.arange(len(self)))
        if excerpt.crc32c() != self.entry.crc32c:
            raise excerpt.damaged("its frames do not match their checksum")

    def _excerpt(self, numbers: NDArray[np.int64]) -> Excerpt:
        frames = self.entry.frames
        return Excerpt(
            clip_id=self.clip_id,
            path=self.path,
            label_ids=self.label_ids,
            encoding=self.entry.encoding,
            width=self.entry.width,
            height=self.entry.height,
            numbers=numbers,
            offset=frames.offset[numbers],
            length=frames.length[numbers],
            pts_ns=frames.pts_ns[numbers],
            file=self.file,
            shard_bytes=self.shard_bytes,
            threads=self.threads,
        )

    def _key(self) -> tuple[str, str, int]:
        return self.file, self.clip_id, self.entry.crc32c
