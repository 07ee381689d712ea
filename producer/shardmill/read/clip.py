"""A clip and its frames: the bytes of those that are asked for, decoded into one array."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.files import open_to_read, refuse_link
from shardmill.contract.framing import read_range
from shardmill.contract.index import ClipEntry
from shardmill.read.frames import Pixels, decode_into, read_into
from shardmill.read.runs import runs

_PAGE_BYTES: Final = 4096
"""The system reads whole pages: less than one between two frames costs nothing to read along."""


class Clip(Struct, frozen=True):
    """The frames kept of one input."""

    entry: ClipEntry
    """Its row in the index."""
    file: str
    """Path of its shard."""
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
        if not numbers.size:
            return
        offset, length = self.entry.frames.offset[numbers], self.entry.frames.length[numbers]
        raw = self.entry.encoding == "raw"
        refuse_link(os.path.dirname(self.file))
        fd = open_to_read(self.file)
        try:
            self._check(numbers, os.fstat(fd).st_size)
            for run in runs(offset, length, gap_bytes=0 if raw else _PAGE_BYTES):
                start = int(offset[run.start])
                if raw:
                    read_into(pixels[run], fd, start)
                else:
                    stop = int(offset[run.stop - 1]) + int(length[run.stop - 1])
                    self._decode(read_range(fd, start, stop), numbers[run], pixels[run])
        finally:
            os.close(fd)

    def _decode(self, data: bytes, numbers: NDArray[np.int64], pixels: Pixels) -> None:
        """Decode frames that lie together in ``data``, the first of them at its beginning."""
        offset, length = self.entry.frames.offset[numbers], self.entry.frames.length[numbers]
        starts, sizes = (offset - offset[0]).tolist(), length.tolist()
        view = memoryview(data)

        def every_nth_from(first: int) -> None:
            for i in range(first, len(starts), self.threads):
                encoded = view[starts[i] : starts[i] + sizes[i]]
                try:
                    decode_into(pixels[i], encoded, encoding=self.entry.encoding)
                except ValueError as error:
                    raise self._damaged(f"frame {numbers[i]} does not decode: {error}") from error

        if self.threads == 1 or len(starts) == 1:
            every_nth_from(0)
            return
        with ThreadPoolExecutor(self.threads) as pool:  # ends here: nothing that a fork could break
            list(pool.map(every_nth_from, range(self.threads)))

    def _check(self, numbers: NDArray[np.int64], size: int) -> None:
        """Refuse frames that leave the shard, and raw ones of another size."""
        offset, length = self.entry.frames.offset[numbers], self.entry.frames.length[numbers]
        outside = np.flatnonzero((offset < 0) | (length < 0) | (offset > size - length))
        if outside.size:
            start, count = int(offset[outside[0]]), int(length[outside[0]])
            raise self._damaged(f"its bytes [{start}, {start + count}) are not in a file of {size}")
        expected = self.entry.height * self.entry.width * 3
        wrong = numbers[length != expected]
        if self.entry.encoding == "raw" and wrong.size:
            raise self._damaged(f"frame {wrong[0]} does not decode: expected {expected} bytes")

    def _damaged(self, what: str) -> DatasetDamaged:
        return DatasetDamaged(
            f"clip {self.clip_id} in {self.file}: {what}; `shardmill verify` tells what to do"
        )
