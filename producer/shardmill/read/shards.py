"""The clips of an output directory, all or those that are wanted.

Some numbers a clip are kept in memory, and half a kilobyte a shard; the rest stays in the index on
the disk.  A file is open only while it is read, so there is nothing that a fork could share or a
pickle lose.
"""

from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final, NamedTuple, overload

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.quantity import format_count
from shardmill.dataset.layout import Layout, without_attempt
from shardmill.read.clip import Clip, Excerpt, StoredPart, Stretch, stretches_of
from shardmill.read.committed import UNLABELLED, Contents
from shardmill.read.frames import ENCODINGS
from shardmill.read.index_file import ADVICE, IndexRows
from shardmill.read.seams import Seams
from shardmill.read.windows import locate
from shardmill.storage.files import refuse_link

_PATHS: Final = 1 << 14
"""Shards whose paths are remembered."""


class Columns(Struct, frozen=True):
    """What is kept of N clips; a column of equal values has one element."""

    number: NDArray[np.int32]
    """Place of each, or of its first part, among all rows of the indexes.  Shape (N,)."""
    length: NDArray[np.int32]
    """Frames.  Shape (N,)."""
    size: NDArray[np.int32]
    """Width and height, pixels.  Shape (N, 2) or (1, 2)."""
    encoding: NDArray[np.int8]
    """Place in ``ENCODINGS``, -1 for another.  Shape (N,) or (1,)."""
    label_id: NDArray[np.signedinteger[Any]]
    """First class, or ``UNLABELLED``, in the narrowest type.  Shape (N,) or (1,)."""

    @classmethod
    def of(cls, found: Contents, wanted: NDArray[np.bool_]) -> "Columns":
        """Return those of the clips that are wanted."""
        number = np.flatnonzero(wanted).astype(np.int32)
        return cls(
            number,
            found.lengths[number],
            _collapsed(found.sizes[number]),
            _collapsed(found.encodings[number]),
            _collapsed(_narrowest(found.label_ids[number])),
        )

    def take(self, rows: slice) -> "Columns":
        """Return some of the clips."""
        count = self.number.size
        size = np.broadcast_to(self.size, (count, 2))[rows]
        encoding = np.broadcast_to(self.encoding, count)[rows]
        label_id = np.broadcast_to(self.label_id, count)[rows]
        return Columns(
            self.number[rows].copy(),
            self.length[rows].copy(),
            _collapsed(size),
            _collapsed(encoding),
            _collapsed(label_id),
        )


def _collapsed(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of one row where all are equal, of all otherwise."""
    return values[:1].copy() if (values == values[:1]).all() else values.copy()


def _of(column: NDArray[Any], place: int) -> Any:
    """Return the element of one clip."""
    return column[place if len(column) > 1 else 0]


def _narrowest(values: NDArray[np.int64]) -> NDArray[np.signedinteger[Any]]:
    """Return numbers in the narrowest signed type that holds them."""
    most = max(abs(int(values.min(initial=0))), int(values.max(initial=0)))
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return values.astype(next(kind for kind in kinds if most <= np.iinfo(kind).max))


class Piece(NamedTuple):
    """Frames of a clip that follow each other and lie in one part of it."""

    row: int
    """The part, its place among all rows of the indexes."""
    frames: int
    """Frames that the part has."""
    rows: slice
    """Which of the T frames that were asked for they are."""
    numbers: NDArray[np.int64]
    """Their numbers, counted within the part."""


class Files(Struct, frozen=True):
    """The shards that clips lie in, S of them."""

    layout: Layout
    """Paths of the output directory."""
    names: Sequence[str]
    """As the manifest has them."""
    places: NDArray[np.int64]
    """Where the buffers of each index lie, see ``index_file``.  Shape (S, PLACES)."""
    edges: NDArray[np.int64]
    """Number of each index's first row, and of rows in all.  Shape (S + 1,)."""
    seams: Seams | None
    """The clips that have several rows; None where no clip was cut."""

    def find(self, number: int) -> tuple[int, int]:
        """Return the shard of a row, and its place in the index."""
        shard = int(np.searchsorted(self.edges, number, side="right")) - 1
        return shard, number - int(self.edges[shard])

    def parts_of(self, number: int, count: int) -> list[tuple[int, int]]:
        """Return row and frames of each part of a clip, which has ``count`` frames in all."""
        if self.seams is None or (parts := self.seams.parts_of(number)) is None:
            return [(number, count)]
        edges = [*self.seams.starts[parts].tolist(), count]
        counts = (stop - start for start, stop in pairwise(edges))
        return list(zip(self.seams.rows[parts].tolist(), counts, strict=True))

    def pieces(self, number: int, count: int, numbers: NDArray[np.int64]) -> list[Piece]:
        """Return where frames of a clip lie, at least one piece.

        Args:
            number: Row of the clip, or of its first part.
            count: Frames that the clip has.
            numbers: Which of them, in any order.  Shape (T,).
        """
        parts = self.parts_of(number, count)
        if len(parts) == 1:
            return [Piece(number, count, slice(0, numbers.size), numbers)]
        edges = np.cumsum([0, *(frames for _, frames in parts)])
        return [
            Piece(*parts[part], rows, numbers[rows] - edges[part])
            for part, rows in stretches_of(numbers, edges)
        ] or [Piece(*parts[0], slice(0, 0), numbers)]

    def path(self, shard: int) -> str:
        """Return the path of a shard."""
        return _paths(self.layout, self.names[shard])[0]

    def open_index(self, shard: int) -> IndexRows:
        """Open the index of a shard.

        Raises:
            DatasetDamaged: It has another size than when it was checked.
            OSError: It cannot be opened.
        """
        return IndexRows(_paths(self.layout, self.names[shard])[1], self.places[shard])


@lru_cache(_PATHS)
def _paths(layout: Layout, shard: str) -> tuple[str, str]:
    """Return the paths of a shard and of its index: their making takes longer than a read."""
    return layout.shard(shard), layout.index_of(shard)


class Shards(Sequence[Clip]):
    """Some clips, in the order of shards and of clips in them; may be forked, or pickled.

    ``open_shards`` makes it.  A pickle holds which clips these are: its receiver sees no others,
    even if there are more by then, and checks no index again.
    """

    def __init__(  # one keyword for each thing that a window depends on
        self,
        files: Files,
        clips: Columns,
        *,
        most_labels: int,
        chosen_by: str,
        threads: int,
        check: bool,
    ) -> None:
        self.most_labels = most_labels
        """The greatest number of classes that a clip of these shards has, at least 1."""
        self.chosen_by = chosen_by
        """How the clips were chosen, for messages: "where='fps > 50' is true of 3 of 11 clips"."""
        self._files, self._clips, self._threads, self._check = files, clips, threads, check
        self._sound: NDArray[np.bool_] | None = None
        self._digest: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_sound": None}  # of this process alone

    def __len__(self) -> int:
        return self._clips.number.size

    @overload
    def __getitem__(self, number: int) -> Clip: ...
    @overload
    def __getitem__(self, number: slice) -> "Shards": ...
    def __getitem__(self, number: int | slice) -> "Clip | Shards":
        """Return a clip, or some of these clips.

        Raises:
            IndexError: There is no such clip.
            DatasetDamaged: Its index changed since it was opened.
            OSError: Its index cannot be read.
        """
        if isinstance(number, slice):
            return self._part(number)
        place = range(len(self))[number]
        self._check_once(place)
        return self._clip(place)

    def excerpt(self, clip: int, numbers: NDArray[np.int64]) -> Excerpt:
        """Return some frames of a clip, not decoded; of the index their entries alone are read.

        Args:
            clip: Its number.
            numbers: Which frames, in any order.  Shape (T,).

        Raises:
            IndexError: There is no such clip or frame.
            DatasetDamaged: Its index changed since it was opened.
            OSError: Its index cannot be read.
        """
        place = range(len(self))[clip]
        self._check_once(place)
        count = int(self._clips.length[place])
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
            raise IndexError(f"expected frames in [0, {count}), got {numbers}")
        width, height = _of(self._clips.size, place).tolist()
        about: dict[str, Any] = {}
        stretches, columns = [], []
        for piece in self._files.pieces(int(self._clips.number[place]), count, numbers):
            shard, row = self._files.find(piece.row)
            with self._files.open_index(shard) as index:
                columns.append(index.frames(row, piece.frames, piece.numbers))
                stretches.append(Stretch(piece.rows, self._files.path(shard), index.shard_bytes))
                about = about or {
                    "clip_id": index.text("clip_id", row),
                    "path": index.text("path", row),
                    "label_ids": self._label_ids_of(place, row, index),
                    "encoding": self._encoding_of(place, row, index),
                }
        whole = map(np.concatenate, zip(*columns, strict=True)) if columns[1:] else columns[0]
        offset, length, pts_ns = whole
        return Excerpt(
            **about,
            width=width,
            height=height,
            numbers=numbers,
            offset=offset,
            length=length,
            pts_ns=pts_ns,
            stretches=stretches,
            threads=self._threads,
        )

    def lengths(self) -> NDArray[np.int32]:
        """Return how many frames each clip has.  Shape (N,)."""
        return self._clips.length

    def sizes(self) -> NDArray[np.int32]:
        """Return width and height of each clip's frames.  Shape (N, 2)."""
        return np.broadcast_to(self._clips.size, (len(self), 2))

    def label_ids(self) -> NDArray[np.int64]:
        """Return the first class of each clip, ``UNLABELLED`` (-1) for none.  Shape (N,)."""
        return np.broadcast_to(self._clips.label_id, len(self)).astype(np.int64)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that say which clips these are, in which order.

        They are those of the same clips in a copy of the output directory, and in one that the job
        made again.
        """
        if self._digest is None:
            shards, rows = locate(self._clips.number.astype(np.int64), self._files.edges)
            used, places = np.unique(shards, return_inverse=True)
            names = [without_attempt(self._files.names[shard]) for shard in used]
            digest = blake2b("\0".join(names).encode(), digest_size=8)
            for column in (places, rows, self._clips.length):
                digest.update(column.astype("<i8").tobytes())
            self._digest = digest.hexdigest()
        return self._digest

    def cut_clips(self) -> int:
        """Return how many of these clips were cut for parallel work, and lie in several records."""
        seams = self._files.seams
        return 0 if seams is None else int(np.isin(self._clips.number, seams.clips).sum())

    def files(self) -> list[str]:
        """Return the paths of the shards.  S of them.

        Raises:
            DatasetDamaged: One is a symbolic link.
        """
        paths = [self._files.path(shard) for shard in range(len(self._files.names))]
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
        edges = self._files.edges
        every = np.full(edges[-1], other, np.int64)
        every[self._clips.number] = values
        return [every[start:stop] for start, stop in pairwise(edges)]

    def ids(self) -> list[list[str]]:
        """Return the names of the clips of each shard, also of those not among these.

        Raises:
            DatasetDamaged: An index changed since it was opened.
            OSError: An index cannot be read.
        """
        return self._texts("clip_id")

    def paths(self) -> list[list[str]]:
        """Return the sources of the clips of each shard, in the same way."""
        return self._texts("path")

    def _texts(self, column: str) -> list[list[str]]:
        found = []
        for shard, rows in enumerate(np.diff(self._files.edges).tolist()):
            with self._files.open_index(shard) as index:
                found.append(index.column(column, rows))
        return found

    def _label_ids_of(self, place: int, row: int, index: IndexRows) -> tuple[int, ...]:
        if self.most_labels > 1:
            return index.list_of_numbers("label_ids", row)
        label_id = int(_of(self._clips.label_id, place))
        return () if label_id == UNLABELLED else (label_id,)

    def _encoding_of(self, place: int, row: int, index: IndexRows) -> str:
        encoding = int(_of(self._clips.encoding, place))
        if encoding < 0:
            raise DatasetDamaged(
                f"clip {index.text('clip_id', row)} is encoded as {index.text('encoding', row)!r}, "
                f"expected one of {', '.join(ENCODINGS)}; {ADVICE}"
            )
        return ENCODINGS[encoding]

    def _part(self, rows: slice) -> "Shards":
        part = copy(self)
        vars(part).update(_clips=self._clips.take(rows), _digest=None)
        part.chosen_by = f"{rows} of {format_count(len(self), 'clip')} has {len(part):,}"
        return part

    def _clip(self, place: int) -> Clip:
        parts = []
        for number, count in self._files.parts_of(
            int(self._clips.number[place]), int(self._clips.length[place])
        ):
            shard, row = self._files.find(number)
            with self._files.open_index(shard) as index:
                entry = index.entry(row, count)
                parts.append(StoredPart(entry, self._files.path(shard), index.shard_bytes))
        return Clip(tuple(parts), self._threads)

    def _check_once(self, place: int) -> None:
        """Compare a clip with its checksum, once a process, if that was asked for."""
        if not self._check:
            return
        if self._sound is None:
            self._sound = np.zeros(self._files.edges[-1], bool)
        number = self._clips.number[place]
        if not self._sound[number]:
            self._clip(place).check()
            self._sound[number] = True
