"""The committed clips of an output directory, and their frames.

The index stays on the disk, memory-mapped, and a shard is open only while it is read: so a
million clips cost no memory, and there is nothing that a fork could share or a pickle lose.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from shardmill.contract import manifest
from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.contract.index import ClipEntry, entry_at, open_index
from shardmill.contract.layout import Layout
from shardmill.read.frames import decode_into


@dataclass(frozen=True, slots=True)
class Clip:
    """The frames kept of one input."""

    entry: ClipEntry
    """Its row in the index."""
    file: str
    """Path of its shard."""

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
        """Class name; None if unlabelled."""
        return self.entry.label

    @property
    def label_id(self) -> int | None:
        """Class number; None if unlabelled."""
        return self.entry.label_id

    @property
    def pts_ns(self) -> NDArray[np.int64]:
        """When each frame is shown, on the stream's own clock.  Shape (N,)."""
        return self.entry.frames.pts_ns

    def __len__(self) -> int:
        return self.pts_ns.size

    def frames(self, start: int = 0, stop: int | None = None) -> NDArray[np.uint8]:
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

    def canvas(self, count: int) -> NDArray[np.uint8]:
        """Return room for ``count`` frames, black.  Shape (count, H, W, 3), uint8."""
        return np.zeros((count, self.entry.height, self.entry.width, 3), np.uint8)

    def decode(self, numbers: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        """Decode frames by their numbers, reading the range of bytes they lie in once.

        Args:
            numbers: Which frames, in any order.  Shape (T,).
            pixels: Receives them.  Shape (T, H, W, 3), uint8, RGB.

        Raises:
            DatasetDamaged: The shard does not hold what its index says.
            OSError: The shard cannot be read.
        """
        if not numbers.size:
            return
        starts = self.entry.frames.offset[numbers]
        stops = starts + self.entry.frames.length[numbers]
        first = int(starts.min())
        data = self._read(first, int(stops.max()))
        for i, (start, stop) in enumerate(zip(starts - first, stops - first, strict=True)):
            try:
                decode_into(pixels[i], data[start:stop], encoding=self.entry.encoding)
            except ValueError as error:
                raise self._damaged(f"frame {numbers[i]} does not decode: {error}") from error

    def _read(self, start: int, stop: int) -> memoryview:
        fd = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if not 0 <= start <= stop <= size:
                raise self._damaged(f"its bytes [{start}, {stop}) are not in a file of {size}")
            return memoryview(os.pread(fd, stop - start, start))
        finally:
            os.close(fd)

    def _damaged(self, what: str) -> DatasetDamaged:
        return DatasetDamaged(
            f"clip {self.clip_id} in {self.file}: {what}; `shardmill verify` tells what to do"
        )


class Shards(Sequence[Clip]):
    """The clips of some shards, in the order of shards and of clips in them."""

    def __init__(self, out: str, names: Sequence[str]) -> None:
        layout = Layout(out)
        self._out = out
        self._names = names
        self._files = [layout.shard(name) for name in names]
        self._indexes = [open_index(layout.index_of(name)) for name in names]
        self._ends = np.cumsum([index.num_rows for index in self._indexes], dtype=np.int64)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as names: the receiver sees these shards, even if there are more by then."""
        return Shards, (self._out, self._names)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    @overload
    def __getitem__(self, number: int) -> Clip: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Clip]: ...
    def __getitem__(self, number: int | slice) -> Clip | Sequence[Clip]:
        """Return a clip, or several."""
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        number = range(len(self))[number]
        shard = int(np.searchsorted(self._ends, number, side="right"))
        index = self._indexes[shard]
        row = number - int(self._ends[shard]) + index.num_rows
        return Clip(entry_at(index, row), self._files[shard])

    def lengths(self) -> NDArray[np.int64]:
        """Return how many frames each clip has.  Shape (N,)."""
        parts = [pc.list_value_length(index["pts_ns"]).to_numpy() for index in self._indexes]
        return np.concatenate([np.empty(0, np.int64), *parts])


def open_shards(out: str) -> Shards:
    """Return the clips of all committed shards, as they are now.

    Raises:
        UsageError: ``out`` holds no manifest.
        DatasetDamaged: The manifest or an index cannot be read.
    """
    parts = Layout(out).parts()
    if not parts:
        raise UsageError(f"expected an output directory with a manifest, found none in {out!r}")
    table = ds.dataset(parts, schema=manifest.SCHEMA, format="parquet")
    names: set[str] = set()
    try:
        for batch in table.scanner(columns=["shard"], cache_metadata=False).to_batches():
            names.update(pc.unique(batch["shard"].drop_null()).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise DatasetDamaged(f"cannot read the manifest: {error}") from error
    return Shards(out, sorted(names))
