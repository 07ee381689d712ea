"""What an output directory holds: the shards that its manifest names, and what their indexes say.

Of the manifest the columns are read that are asked for, from the one table that a job ends with if
that is there.  Several files are read at a time, because on a network disk opening them takes long.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
from shardmill.dataset.file_checksum import check_sealed
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
        layout = Layout(out)
        layout.refuse_linked_folders()
        self._files = layout.parts()
        if not self._files:
            raise UsageError(f"expected an output directory with a manifest, found none in {out!r}")
        if _is_complete(layout):
            self._files = [layout.files]
        self._shards: list[str] | None = None

    @property
    def listing(self) -> tuple[list[str], list[str] | None]:
        """The files that hold the rows, and the shards that they name; None if not read yet."""
        return self._files, self._shards

    def shards(self) -> list[str]:
        """Return the names of all committed shards, sorted.

        Raises:
            FileNotFoundError: A part was replaced or withdrawn since.
            DatasetDamaged: The manifest cannot be read.
        """
        if self._shards is None:
            self.columns([])
        return list(self._shards or [])

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Return some columns of all rows; ``shards`` is known after it without reading again.

        Raises:
            FileNotFoundError: A part was replaced or withdrawn since.
            DatasetDamaged: The manifest cannot be read.
        """
        asked = {*names, _SHARD}
        with closing(_read_ahead(_bytes_of, self._files)) as groups:
            tables = [_columns_of(*file, asked) for group in groups for file in group]
        found = (pc.unique(table[_SHARD].drop_null()).to_pylist() for table in tables)
        self._shards = sorted(set().union(*found))
        schema = pa.schema([manifest.SCHEMA.field(name) for name in names])
        return pa.concat_tables(table.select(names).cast(schema) for table in tables)


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


def _columns_of(path: str, data: bytes, names: Set[str]) -> pa.Table:
    """Return columns of one file of the manifest; one that is younger than the file is empty.

    Raises:
        DatasetDamaged: It is not what was written.
    """
    try:
        check_sealed(path, data)
        with pq.ParquetFile(
            pa.BufferReader(data), pre_buffer=False, read_dictionary=[_SHARD]
        ) as parquet:
            table = parquet.read(columns=list(names), use_threads=False)
        _ = table[_SHARD]  # every part has it
    except (pa.ArrowException, OSError, KeyError, DatasetDamaged) as error:
        raise _unreadable(path, error) from error
    for name in names - set(table.column_names):
        table = table.append_column(
            name, pa.nulls(table.num_rows, manifest.SCHEMA.field(name).type)
        )
    return table


def _unreadable(path: str, error: Exception) -> DatasetDamaged:
    what = "" if isinstance(error, DatasetDamaged) else f"{path}: "  # which names the file itself
    return DatasetDamaged(f"cannot read the manifest: {what}{error}; {ADVICE}")


class Contents(Struct, frozen=True):
    """What is kept of one index with N clips, or of several."""

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
        **{name: np.concatenate([getattr(one, name) for one in each]) for name in arrays},
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
    return Contents(
        places=places,
        counts=counts,
        lengths=np.array(lengths, np.int32),
        sizes=np.column_stack([np.array(clips[name], np.int32) for name in ("width", "height")]),
        encodings=np.array(
            pc.fill_null(pc.index_in(clips["encoding"], pa.array(ENCODINGS)), -1), np.int8
        ),
        label_ids=np.array(pc.fill_null(clips["label_id"], UNLABELLED), np.int64),
        most_labels=most or 0,
        columns=clips.select(columns).take(np.arange(clips.num_rows)) if columns else pa.table({}),
    )
