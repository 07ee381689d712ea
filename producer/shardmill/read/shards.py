"""The clips of an output directory, all or those that are wanted.

Two numbers a clip are kept in memory, and two more where clips differ in size.  The rest stays in
the index on the disk, of which a few parts are mapped at a time, and a shard is open only while it
is read: so there is room for a million clips, and nothing that a fork could share or a pickle lose.
"""

import os
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError
from shardmill.contract.files import refuse_link
from shardmill.contract.index import entry_at, open_index
from shardmill.contract.layout import Layout, split_of
from shardmill.read.clip import Clip
from shardmill.read.committed import (
    LABELS,
    SHORTEST,
    SIZE,
    classes_of,
    committed_shards,
    frames_of,
    of_each_index,
    sizes_of,
)
from shardmill.read.wanted import Wanted
from shardmill.read.windows import locate

ALL_SPLITS: Final = "all"
"""Stands for all splits together where one is to be named."""
_MAPPED_PARTS: Final = 128
"""Index parts that are mapped at a time; the system allows 65,530 maps, of everything."""


class _Index:
    """The index parts of an output directory, by the names of their shards."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._open = lru_cache(_MAPPED_PARTS)(open_index)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Index, (self._layout,)

    def __getitem__(self, shard: str) -> pa.Table:
        return self._open(self._layout.index_of(shard))


class Shards(Sequence[Clip]):
    """Some clips, in the order of shards and of clips in them; may be forked, or pickled.

    A pickle holds which clips these are: its receiver sees no others, even if there are more by
    then.

    Args:
        out: Output directory.
        names: Its shards.
        clips: Of each shard, how many frames each clip has, their width and height, and which
            clips are wanted.
        most_labels: How many classes a clip may have.
        threads: How many decode the frames that are asked for at a time.
    """

    def __init__(
        self,
        out: str,
        names: Sequence[str],
        clips: Sequence[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]],
        *,
        most_labels: int = 1,
        threads: int = 1,
    ) -> None:
        self.most_labels = most_labels
        """The greatest number of classes that a clip of these shards has, at least 1."""
        self._layout, self._names, self._threads = Layout(out), names, threads
        self._index = _Index(self._layout)
        self._edges = np.cumsum([0, *(lengths.size for lengths, _, _ in clips)], dtype=np.int64)
        wanted = np.concatenate([np.empty(0, bool), *(wanted for _, _, wanted in clips)])
        lengths = np.concatenate([np.empty(0, np.int32), *(lengths for lengths, _, _ in clips)])
        sizes = np.concatenate([np.empty((0, 2), np.int32), *(sizes for _, sizes, _ in clips)])
        self._numbers = np.flatnonzero(wanted).astype(np.int32)
        self._lengths = lengths[self._numbers]
        sizes = sizes[self._numbers]
        self._sizes = sizes[:1].copy() if (sizes == sizes[:1]).all() else sizes

    def __len__(self) -> int:
        return self._numbers.size

    @overload
    def __getitem__(self, number: int) -> Clip: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Clip]: ...
    def __getitem__(self, number: int | slice) -> Clip | Sequence[Clip]:
        """Return a clip, or several.

        Raises:
            IndexError: There is no such clip.
            DatasetDamaged: Its index cannot be read.
        """
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        clip = int(self._numbers[range(len(self))[number]])
        (shard,), (row,) = locate(np.array([clip]), self._edges)
        name = self._names[shard]
        entry = entry_at(self._index[name], int(row))
        return Clip(entry, self._layout.shard(name), self._threads)

    def lengths(self) -> NDArray[np.int32]:
        """Return how many frames each clip has.  Shape (N,)."""
        return self._lengths

    def sizes(self) -> NDArray[np.int32]:
        """Return width and height of each clip's frames.  Shape (N, 2)."""
        return np.broadcast_to(self._sizes, (len(self), 2))

    def files(self) -> list[str]:
        """Return the paths of the shards.  S of them.

        Raises:
            DatasetDamaged: One is a symbolic link.
        """
        paths = [self._layout.shard(name) for name in self._names]
        for path in paths:
            refuse_link(path)
        return paths

    def by_record(self, values: NDArray[np.int64], *, other: int) -> list[NDArray[np.int64]]:
        """Return what is known of clips as one array a shard, in the order of its records.

        Args:
            values: One for each clip.  Shape (N,).
            other: Stands for clips that are not among these.

        Returns:
            S arrays, as long as their shards have records.
        """
        every = np.full(self._edges[-1], other, np.int64)
        every[self._numbers] = values
        return [every[start:stop] for start, stop in pairwise(self._edges)]

    def ids(self) -> list[list[str]]:
        """Return the names of the clips of each shard, also of those not among these.

        Raises:
            DatasetDamaged: An index cannot be read.
        """
        return of_each_index(
            self._layout.out, self._names, ["clip_id"], lambda clips: clips["clip_id"].to_pylist()
        )


def open_shards(
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    labels: Collection[str] | None = None,
    where: str | None = None,
    threads: int = 1,
) -> Shards:
    """Return the committed clips, as they are now.

    Args:
        out: Output directory.
        split: Only clips of this split; ``all`` means every split's.  A data set that has splits
            must be asked for one, since to train on what is kept for testing goes unnoticed.
        labels: Only clips that have one of these classes; None means all.
        where: Only clips of inputs for which this SQL condition is true, over the columns of the
            manifest (``shardmill query OUT "describe files"`` shows them): ``fps >= 24 and
            path like 'train/%'``.
        threads: How many decode the frames of a window at a time.  More than one is for a process
            that reads alone; where several do, each is busy with windows of its own.

    Raises:
        UsageError: ``out`` holds no manifest, there is no such split or label, or several of which
            none is named, the SQL is wrong, or there would be no thread.
        DatasetDamaged: The manifest or an index cannot be read.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    out = os.fspath(out)
    names = _of_split(committed_shards(out), split)
    wanted = Wanted(out, labels=labels, where=where)

    most_labels = [1]

    def kept(
        clips: pa.Table,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        most_labels.append(classes_of(clips))
        return frames_of(clips), sizes_of(clips), wanted.among(clips)

    columns = [SHORTEST, LABELS, *SIZE, *wanted.columns]
    clips = of_each_index(out, names, columns, kept)
    return Shards(out, names, clips, most_labels=max(most_labels), threads=threads)


def _of_split(shards: Sequence[str], split: str | None) -> Sequence[str]:
    there = sorted({found for name in shards if (found := split_of(name))})
    if split is None and there:
        raise UsageError(
            f"the data set has the splits {', '.join(there)}: name one, as in "
            f"split={there[0]!r}, or take them together with split={ALL_SPLITS!r}"
        )
    if split is None or split == ALL_SPLITS:
        return shards
    chosen = [name for name in shards if split_of(name) == split]
    if not chosen:
        raise UsageError(f"expected a split among {', '.join(there) or 'none'}; got {split!r}")
    return chosen
