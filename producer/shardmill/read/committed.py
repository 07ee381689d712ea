"""What an output directory holds: the shards that its manifest names, and what their indexes say.

Of the manifest the columns are read that are asked for, from the one table that a job ends with if
that is there.  Several files are read at a time, because on a network disk opening them takes long.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from itertools import islice
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.dataset import manifest
from shardmill.dataset.checksum import check_sealed
from shardmill.dataset.index import SCHEMA
from shardmill.dataset.layout import Layout
from shardmill.read.frames import ENCODINGS
from shardmill.read.index_file import (
    ADVICE,
    PLACES,
    IndexFile,
    Whole,
    open_index_files,
    read_index_file,
)
from shardmill.storage.files import open_to_read

UNLABELLED: Final = -1
"""Stands for the class number of a clip that has none."""
_SHARD: Final = "shard"
_SHARDS: Final = "shards"
_READERS: Final = 4
_GROUP: Final = 16
"""Files that are read and checked together."""

Item = TypeVar("Item")
Read = TypeVar("Read")


class Manifest:
    """The committed rows of an output directory, as they are now.

    Args:
        out: Output directory.

    Raises:
        UsageError: ``out`` holds no manifest.
        DatasetDamaged: A folder in it is a symbolic link.
    """

    def __init__(self, out: str) -> None:
        self._out = out
        layout = Layout(out)
        layout.refuse_linked_folders()
        self._parts = layout.parts()
        if not self._parts:
            raise UsageError(f"expected an output directory with a manifest, found none in {out!r}")
        self._table = layout.files if _is_complete(layout) else None
        self._shards: list[str] | None = None

    @property
    def listing(self) -> tuple[list[str], list[str] | None]:
        """The files that hold the rows, and the shards that they name; None if not read yet."""
        return self._files, self._shards

    @property
    def _files(self) -> list[str]:
        return self._parts if self._table is None else [self._table]

    @cached_property
    def is_plain(self) -> bool:
        """Whether every file has one row: none is several clips, or was cut for parallel work."""
        return (pc.max(self._read(["segments"], self._files)["segments"]).as_py() or 1) == 1

    def shards(self) -> list[str]:
        """Return the names of all committed shards, sorted.

        Raises:
            FileNotFoundError: A part was replaced or withdrawn since.
            DatasetDamaged: The manifest cannot be read.
        """
        if self._shards is None:
            names = [_SHARD] if self._table is None else [_SHARD, _SHARDS]
            found = self._read(names, self._files)
            several = (pc.list_flatten(found[name]) for name in names[1:])
            each = [pc.unique(column.drop_null()) for column in (found[_SHARD], *several)]
            self._shards = sorted(set().union(*(column.to_pylist() for column in each)))
        return list(self._shards)

    def columns(self, names: Sequence[str], condition: pc.Expression | None = None) -> pa.Table:
        """Return some columns of all rows of the manifest, or of those that fulfil a condition.

        Args:
            names: Columns of ``manifest.SCHEMA``.
            condition: Over these columns.

        Raises:
            FileNotFoundError: A part was replaced or withdrawn since.
            DatasetDamaged: The manifest cannot be read.
        """
        if self._table is not None and self.is_plain:
            return self._of_table(names, condition)
        return self._read(names, self._parts, condition)

    def belonging(self, clip_ids: pa.Array) -> pa.Table:
        """Return how many parts make up each clip that was cut, and is whole.

        Args:
            clip_ids: Of clips that were cut, several times each.

        Returns:
            Columns ``clip_id`` and ``parts``.  The parts are the first ones in the order of time.

        Raises:
            FileNotFoundError: A part was replaced or withdrawn since.
            DatasetDamaged: The manifest cannot be read.
        """
        if self._table is not None:
            found = self._read(["clip_id", "parts"], [self._table])
            return found.filter(pc.is_in(found["clip_id"], value_set=pc.unique(clip_ids)))
        from shardmill.report import store  # brings DuckDB, which only a job in work needs

        rows = store.Rows(self.columns, self.shards, is_plain=False)
        question = "select clip_id, parts from cut_clips where clip_id is not null"
        with store.query(self._out, question, rows=rows) as answer:
            ids, parts = zip(("", 0), *answer.rows, strict=True)
        return pa.table({"clip_id": ids, "parts": parts}).slice(1)

    def _of_table(self, names: Sequence[str], condition: pc.Expression | None) -> pa.Table:
        """Return columns of rows from the table of all files, each of which has one row."""
        found = self._read([name for name in names if name != "segment"], self._files)
        if "segment" in names:
            found = found.append_column("segment", pa.array(np.zeros(found.num_rows, np.int64)))
        found = found.select(names)
        return found if condition is None else found.filter(condition)

    def _read(
        self, names: Sequence[str], paths: Sequence[str], condition: pc.Expression | None = None
    ) -> pa.Table:
        """Return columns of all rows of some files, or of those that fulfil a condition."""
        with closing(_read_ahead(_bytes_of, paths)) as groups:
            return pa.concat_tables(
                _columns_of(*file, names, condition) for group in groups for file in group
            )


def _is_complete(layout: Layout) -> bool:
    """Return True if the table of all rows is there, and no part came or went since it was made."""
    try:
        return os.stat(layout.manifest).st_mtime_ns < os.stat(layout.files).st_mtime_ns
    except FileNotFoundError:
        return False


def _bytes_of(path: str) -> tuple[str, bytes]:
    """Return the path and the bytes of one file of the manifest.

    Raises:
        FileNotFoundError: It is gone.
        DatasetDamaged: It cannot be read.
    """
    try:
        with os.fdopen(open_to_read(path), "rb") as file:
            return path, file.read()
    except FileNotFoundError:
        raise
    except (OSError, DatasetDamaged) as error:
        raise _unreadable(path, error) from error


def _columns_of(
    path: str, data: bytes, names: Sequence[str], condition: pc.Expression | None
) -> pa.Table:
    """Return columns of one file of the manifest; one that is younger than the file is empty.

    Raises:
        DatasetDamaged: It is not what was written.
    """
    try:
        check_sealed(path, data)
        with pq.ParquetFile(
            pa.BufferReader(data), pre_buffer=False, read_dictionary=[_SHARD]
        ) as parquet:
            table = parquet.read(columns=list({*names, _SHARD}), use_threads=False)
        _ = table[_SHARD]  # every file has it
    except (pa.ArrowException, OSError, KeyError, DatasetDamaged) as error:
        raise _unreadable(path, error) from error
    kinds = {name: _kind(name) for name in names}
    for name in kinds.keys() - set(table.column_names):
        table = table.append_column(name, pa.nulls(table.num_rows, kinds[name]))
    table = table.select(list(names)).cast(pa.schema(list(kinds.items())))
    return table if condition is None else table.filter(condition)


def _kind(name: str) -> pa.DataType:
    """Return the type of a column of the manifest or of the table of all files."""
    schema = manifest.SCHEMA if name in manifest.SCHEMA.names else manifest.OF_FILES
    return schema.field(name).type


def _unreadable(path: str, error: Exception) -> DatasetDamaged:
    what = "" if isinstance(error, DatasetDamaged) else f"{path}: "  # which names the file itself
    return DatasetDamaged(f"cannot read the manifest: {what}{error}; {ADVICE}")


class Contents(Struct, frozen=True):
    """What is kept of one index with N clips or parts of clips, or of several."""

    places: NDArray[np.int64]
    """Where the buffers of each index lie, see ``index_file``.  Shape (S, PLACES)."""
    counts: NDArray[np.int64]
    """Clips of each index.  Shape (S,)."""
    lengths: NDArray[np.int32]
    """Frames of each clip.  Shape (N,)."""
    sizes: NDArray[np.int32]
    """Width and height of each clip's frames.  Shape (N, 2)."""
    encodings: NDArray[np.int8]
    """Encoding of each clip's frames, a place in ``ENCODINGS``; -1 for another.  Shape (N,)."""
    label_ids: NDArray[np.int64]
    """First class of each clip, or ``UNLABELLED``.  Shape (N,)."""
    clip_part: NDArray[np.int32]
    """Number of each part in its clip, from 0.  Shape (N,)."""
    clip_parts: NDArray[np.int32]
    """Number of parts that each clip was cut into, 1 if it was not.  Shape (N,)."""
    cut_clip_ids: pa.ChunkedArray
    """Names of the clips with several parts, one a part in this order."""
    most_labels: int
    """The greatest number of classes that a clip has."""
    columns: pa.Table
    """Further columns of the index, N rows."""


def contents(out: str, shards: Sequence[str], columns: Sequence[str]) -> Contents:
    """Check the index of each shard and return what is kept of them all, in this order.

    Args:
        out: Output directory.
        shards: Their names.
        columns: Further columns to return.

    Raises:
        FileNotFoundError: An index is not there.
        DatasetDamaged: An index is not what was written.
    """
    layout = Layout(out)
    nothing = SCHEMA.empty_table(), np.empty(0, np.int64), np.empty((0, PLACES), np.int64)
    each = [_kept(*nothing, columns)]

    def read(shard: str) -> IndexFile:
        return read_index_file(layout.index_of(shard), shard)

    with closing(_read_ahead(read, shards)) as groups:  # its threads end here, whatever happens
        each += [_kept(*open_index_files(files), columns) for files in groups]
    arrays = ("places", "counts", "lengths", "sizes", "encodings", "label_ids")
    return Contents(
        **{
            name: np.concatenate([getattr(one, name) for one in each])
            for name in (*arrays, "clip_part", "clip_parts")
        },
        cut_clip_ids=pa.chunked_array(
            [chunk for one in each for chunk in one.cut_clip_ids.chunks], pa.string()
        ),
        most_labels=max(one.most_labels for one in each),
        columns=pa.concat_tables(one.columns for one in each),
    )


def _read_ahead(
    read: Callable[[Item], Read], items: Iterable[Item]
) -> Generator[list[Read], None, None]:
    """Yield what is read of some items at a time; a few groups are read ahead.

    Threads hide how long it takes to open files on a network disk; what is computed is left to the
    caller, since threads would only wait for each other there.
    """
    left = iter(items)
    groups = iter(lambda: list(islice(left, _GROUP)), [])

    def read_all(group: list[Item]) -> list[Read]:
        return [read(item) for item in group]

    with ThreadPoolExecutor(_READERS) as pool:
        ahead = deque(pool.submit(read_all, group) for group in islice(groups, _READERS))
        while ahead:
            found = ahead.popleft().result()
            ahead.extend(pool.submit(read_all, group) for group in islice(groups, 1))
            yield found


def _kept(clips: pa.Table, counts: Whole, places: Whole, columns: Sequence[str]) -> Contents:
    """Copy from some indexes what is kept of them, so that their bytes can be freed."""
    lengths = pc.list_value_length(clips["offset"])
    most = pc.max(pc.list_value_length(clips["label_ids"])).as_py()
    clip_parts = np.array(clips["clip_parts"], np.int32)
    cut = np.flatnonzero(clip_parts > 1)
    return Contents(
        places=places,
        counts=counts,
        lengths=np.array(lengths, np.int32),
        sizes=np.column_stack([np.array(clips[name], np.int32) for name in ("width", "height")]),
        encodings=np.array(
            pc.fill_null(pc.index_in(clips["encoding"], pa.array(ENCODINGS)), -1), np.int8
        ),
        label_ids=np.array(pc.fill_null(clips["label_id"], UNLABELLED), np.int64),
        clip_part=np.array(clips["clip_part"], np.int32),
        clip_parts=clip_parts,
        cut_clip_ids=clips["clip_id"].take(cut),
        most_labels=most or 0,
        columns=clips.select(columns).take(np.arange(clips.num_rows)) if columns else pa.table({}),
    )
