"""The manifest: the rows of all items on disk, the truth of a job.

``OUT/manifest/part-<batch>.parquet`` holds the rows of one batch; its appearance under that name
is the commit.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Final, get_args, get_origin

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import astuple

from shardmill.contract.errors import MORE_MEMORY, DatasetDamaged, EnvironmentFault
from shardmill.contract.quantity import printable
from shardmill.contract.schema import FIELDS, Facts, Item, Outcome, Row
from shardmill.dataset.file_checksum import OPEN, SEAL, sealed
from shardmill.storage import files

_ARROW: Final = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow_type(hint: Any) -> pa.DataType:
    hints = (hint,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
    first, *_ = (each for each in hints if each is not type(None))
    if get_origin(first) is tuple:
        return pa.list_(_ARROW[get_args(first)[0]])
    return _ARROW.get(first, pa.string())  # a Literal is text


SCHEMA: Final = pa.schema(
    [pa.field(name, _arrow_type(hint)) for hints in FIELDS.values() for name, hint in hints.items()]
    + [pa.field("path_raw", pa.binary())]
)
"""The manifest's columns; ``path_raw`` holds a path's bytes where ``path`` had to escape some."""


def write_part(path: str, rows: Iterable[Row]) -> None:
    """Write rows to a sealed Parquet file at ``path`` and flush them to the disk."""
    table = table_of(list(rows))
    data = pa.BufferOutputStream()
    with pq.ParquetWriter(data, SCHEMA, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: OPEN})
    files.write(path, sealed(data.getvalue().to_pybytes()))


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table of ``SCHEMA``, made column by column; text is made fit for UTF-8."""
    columns: dict[str, Sequence[Any]] = {}
    for kind, part in ((Item, "item"), (Facts, "facts"), (Outcome, "outcome")):
        values = zip(*map(astuple, map(attrgetter(part), rows)), strict=True)
        columns |= dict(zip(FIELDS[kind], values, strict=False))
    columns["path_raw"] = [
        None if path.isprintable() else os.fsencode(path) for path in columns.get("path", ())
    ]
    arrays = [_array(columns.get(field.name, ()), field.type) for field in SCHEMA]
    return pa.table(arrays, schema=SCHEMA)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if values.count(None) == len(values):  # as of pictures every second column
        return pa.nulls(len(values), kind)
    return pa.array(_fit(values, kind), kind)


def _fit(values: Sequence[Any], kind: pa.DataType) -> Sequence[Any]:
    """Return a column with its text fit for UTF-8 tables."""
    if pa.types.is_string(kind):
        fit = {value: printable(value) for value in set(values) if value is not None}
        return list(map(fit.get, values))
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        return [list(map(printable, value)) for value in values]
    return values


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
