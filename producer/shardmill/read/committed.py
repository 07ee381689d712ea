"""What an output directory holds, found out from many small files with little of each.

Of the manifest it takes the column that names shards, from the one table that a job ends with if
that is there; of each index how many frames clips have.  Several files are read at a time, because
on a network disk it is opening them that takes long.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.contract.files import refuse_link
from shardmill.contract.index import map_columns
from shardmill.contract.layout import Layout

SHORTEST: Final = "keyframe"
"""Of the lists of an index the one with the fewest bytes; each is one element a frame."""
LABELS: Final = "label_ids"
"""The column that tells how many classes a clip has."""
SIZE: Final = ("width", "height")
"""The columns that hold the size of a clip's frames, pixels."""
_READERS: Final = 4

Taken = TypeVar("Taken")


def committed_shards(out: str) -> list[str]:
    """Return the names of all committed shards, sorted.

    Raises:
        UsageError: ``out`` holds no manifest.
        DatasetDamaged: The manifest cannot be read.
    """
    layout = Layout(out)
    layout.refuse_linked_folders()
    parts = layout.parts()
    if not parts:
        raise UsageError(f"expected an output directory with a manifest, found none in {out!r}")
    if _tells_all(layout):
        parts = [layout.files]
    with ThreadPoolExecutor(_READERS) as pool:
        return sorted(set().union(*pool.map(_shards_of, parts)))


def _tells_all(layout: Layout) -> bool:
    """Tell whether the table of all rows is there, and no part came or went since it was made."""
    try:
        return os.stat(layout.manifest).st_mtime_ns < os.stat(layout.files).st_mtime_ns
    except FileNotFoundError:
        return False


def _shards_of(part: str) -> set[str]:
    refuse_link(part)
    try:
        with pq.ParquetFile(part, pre_buffer=False, read_dictionary=["shard"]) as file:
            column = file.read(columns=["shard"], use_threads=False)["shard"]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DatasetDamaged(f"cannot read the manifest: {part}: {error}") from error
    return set(pc.unique(column.drop_null()).to_pylist())


def of_each_index(
    out: str, shards: Sequence[str], columns: Sequence[str], take: Callable[[pa.Table], Taken]
) -> list[Taken]:
    """Return what is taken from some columns of the index of each shard.

    Args:
        out: Output directory.
        shards: Their names.
        columns: Which columns are read.
        take: Is given them, memory-mapped; it must keep nothing of the table, but copies.

    Raises:
        DatasetDamaged: An index cannot be read.
    """
    layout = Layout(out)
    with ThreadPoolExecutor(_READERS) as pool:
        return list(
            pool.map(lambda shard: take(map_columns(layout.index_of(shard), columns)), shards)
        )


def frames_of(clips: pa.Table) -> NDArray[np.int32]:
    """Return how many frames each clip has, from the column ``SHORTEST``.  Shape (N,)."""
    return np.asarray(pc.list_value_length(clips[SHORTEST]), np.int32)


def classes_of(clips: pa.Table) -> int:
    """Return the greatest number of classes that a clip has, from the column ``LABELS``."""
    most = pc.max(pc.list_value_length(clips[LABELS])).as_py()
    return int(most or 0)


def sizes_of(clips: pa.Table) -> NDArray[np.int32]:
    """Return width and height of each clip's frames, from the columns ``SIZE``.  Shape (N, 2)."""
    return np.column_stack([np.asarray(clips[name], np.int32) for name in SIZE])
