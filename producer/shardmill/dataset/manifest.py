"""The manifest: the rows of all items on disk, the truth of a job.

``OUT/manifest/part-<batch>.parquet`` holds the rows of one batch; its appearance under that name
is the commit (see ``manifest_store``).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shardmill.contract.errors import MORE_MEMORY, DatasetDamaged, EnvironmentFault
from shardmill.contract.schema import Row
from shardmill.dataset.checksum import OPEN, SEAL, sealed
from shardmill.dataset.manifest_rows import MANIFEST, table_of
from shardmill.storage import files

SCHEMA: Final = MANIFEST
"""Columns of a part."""
OF_FILES: Final = pa.schema(
    [field for field in SCHEMA if field.name not in {"segment", "start_ns", "end_ns"}]
    + [
        pa.field("error_clip", pa.int64()),
        pa.field("clips", pa.int64()),
        pa.field("clip_ids", pa.list_(pa.string())),
        pa.field("parts", pa.int64()),
        pa.field("shards", pa.list_(pa.string())),
    ]
)
"""Columns of ``files.parquet``, one row a file; ``report/grouped_files.sql`` makes them."""


def write_part(path: str, rows: pa.Table | Iterable[Row]) -> None:
    """Write rows to a sealed Parquet file at ``path`` and flush them to the disk.

    Args:
        path: A new file; it is no part of the manifest before it is published.
        rows: A table with the columns of ``SCHEMA``, or values.
    """
    table = rows if isinstance(rows, pa.Table) else table_of(rows)
    data = pa.BufferOutputStream()
    with pq.ParquetWriter(data, SCHEMA, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: OPEN})
    files.write(path, sealed(data.getvalue().to_pybytes()))


def read_part(path: str) -> Iterator[Row]:
    """Yield the rows of one part.

    Raises:
        DatasetDamaged: The file is no manifest part.
        EnvironmentFault: Memory is short.
    """
    with _opened(path) as file:
        for chunk in file.iter_batches():
            yield from (Row.from_flat(values) for values in chunk.to_pylist())


def read_columns(path: str, names: Sequence[str]) -> pa.Table:
    """Return some columns of one part; many times faster than its rows.

    A column that is younger than the part has no value in it.

    Raises:
        DatasetDamaged: The file is no manifest part.
        EnvironmentFault: Memory is short.
    """
    with _opened(path) as file:
        table = file.read(columns=list({"path", *names}))
        _ = table["path"]  # every part has it, other tables hardly
        for name in set(names) - set(table.column_names):
            table = table.append_column(name, pa.nulls(table.num_rows, SCHEMA.field(name).type))
        return table.select(list(names))


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    files.refuse_link(path)
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, KeyError, TypeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's fault; Arrow's own complaints have no number
        if isinstance(error, MemoryError) or type(error) is pa.ArrowException:  # no thread, too
            raise EnvironmentFault(f"cannot read {path}: {error}; {MORE_MEMORY}") from error
        raise DatasetDamaged(f"{path} is no manifest part: {error}") from error


def classes_of(path: str) -> set[tuple[str, int]]:
    """Return the labels that the rows of one part have, each with its number.

    Raises:
        DatasetDamaged: The file is no manifest part, or a row has labels without numbers.
    """
    table = read_columns(path, ["labels", "label_ids"])
    labels, numbers = (pc.list_flatten(table[name]) for name in table.column_names)
    if len(labels) != len(numbers):
        raise DatasetDamaged(f"{path} has {len(labels)} labels and {len(numbers)} numbers of them")
    return set(zip(labels.to_pylist(), numbers.to_pylist(), strict=True))


def shards_of(path: str) -> set[str]:
    """Return the names of the shards that the rows of one part point to.

    Raises:
        DatasetDamaged: The file is no manifest part.
    """
    return set(read_columns(path, ["shard"])["shard"].drop_null().to_pylist())


def path_bytes(rows: pa.Table) -> pa.ChunkedArray:
    """Return the paths of manifest rows as bytes, from their columns ``path`` and ``path_raw``."""
    return pc.coalesce(rows["path_raw"], rows["path"].cast(pa.binary()))
