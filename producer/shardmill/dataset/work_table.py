"""Tables of what is to do, ``OUT/.work/<run>/*.arrow``: a row an item, its batch a range of rows.

A table is written once and named after its content, so a table that is missing, cut off, of
another job or of another run is never taken for the one that a batch names.  Columns whose values
are all at rest (see ``contract.schema``) are left out of the file.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shardmill.contract.batch import Batch
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.names import Stage
from shardmill.contract.schema import AT_REST, FIELDS, Facts, Item
from shardmill.contract.title import subject_of
from shardmill.dataset.manifest_rows import FACTS, ITEMS
from shardmill.storage import files

MAX_ROWS: Final = 65_536
"""Rows of a table; it ends with the batch that reaches them."""
MAX_TABLE_BYTES: Final = 256_000_000
"""A larger file is no table of ours."""
AGAIN: Final = "run the same command again"
_SUFFIX: Final = ".arrow"
_MOST_BYTES: Final = 2**63 - 1
_PROBE_S: Final = b"probe_s"
_MAY_BE_NULL: Final = frozenset(
    name for kind in (Item, Facts) for name in FIELDS[kind] if AT_REST.get(name, "") is None
)


def write_table(folder: str, stem: str, rows: pa.Table) -> str:
    """Write a table and return its name, which is ``stem`` and a checksum of its content.

    Args:
        folder: ``OUT/.work/<run>``.
        stem: What tells it from the other tables of the run.
        rows: Columns of ``ITEMS``, and of ``FACTS`` once they are known.
    """
    data = pa.BufferOutputStream()
    with pa.ipc.new_file(data, rows.schema) as writer:
        writer.write_table(rows.combine_chunks(), max_chunksize=None)
    content = data.getvalue().to_pybytes()
    name = f"{stem}-{google_crc32c.value(content):08x}"
    files.write(os.path.join(folder, name + _SUFFIX), content, durable=False)
    return name


def table_path(folder: str, name: str) -> str:
    """Return the path of a table of a run."""
    return os.path.join(folder, name + _SUFFIX)


class TableReader:
    """Reads ranges of rows; holds the table that it read last, for the next batch of the same."""

    def __init__(self) -> None:
        self._path = ""
        self._table: pa.Table | None = None

    def read(self, folder: str, name: str, first: int, end: int) -> pa.Table:
        """Return the rows ``[first, end)`` of a table.

        Raises:
            DatasetDamaged: The file is missing, is not the one that was written under this name, or
                has fewer rows.
        """
        path = table_path(folder, name)
        if self._table is None or path != self._path:
            self._table, self._path = _checked(path, name), path
        if self._table.num_rows < end:
            raise DatasetDamaged(f"{path} has fewer rows than its batch: {AGAIN}")
        return self._table.slice(first, end - first)


def _checked(path: str, name: str) -> pa.Table:
    try:
        with os.fdopen(files.open_to_read(path), "rb") as file:
            data = file.read(MAX_TABLE_BYTES)
    except FileNotFoundError as error:
        raise DatasetDamaged(f"{path} is gone: {AGAIN}") from error
    except DatasetDamaged as error:  # a symbolic link, for instance
        raise DatasetDamaged(f"{error}: {AGAIN}") from error
    if f"{google_crc32c.value(data):08x}" != name.rpartition("-")[2]:
        raise DatasetDamaged(f"{path} is not the table that was written there: {AGAIN}")
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise DatasetDamaged(f"{path} is no table: {error}; {AGAIN}") from error
    if not _has_our_columns(table):
        raise DatasetDamaged(f"{path} has other columns than this version's tables: {AGAIN}")
    return table


def _has_our_columns(table: pa.Table) -> bool:
    """Return whether the columns are those of items and facts, with a value where one is due."""
    names = set(table.column_names)
    return (
        len(names) == table.num_columns
        and names >= {"path", "size_bytes", "mtime_ns"}
        and all(map(_is_ours, table.schema, table.columns))
    )


def _is_ours(field: pa.Field, column: pa.ChunkedArray) -> bool:
    kind = next((each for each in (ITEMS, FACTS) if field.name in each.names), None)
    if kind is None or kind.field(field.name).type != field.type:
        return False
    if pa.types.is_list(field.type):
        return not pc.list_flatten(column).null_count  # no list is as good as an empty one
    return field.name in _MAY_BE_NULL or not column.null_count


def is_probed(rows: pa.Table) -> bool:
    """Return whether some rows have columns of ``FACTS``."""
    return any(name in FACTS.names for name in rows.column_names)


def _texts(paths: list[bytes | None]) -> Iterator[str | None]:
    return (None if path is None else os.fsdecode(path) for path in paths)


_PATHS: Final = {"path": _texts, "archive": _texts}


def items_in(rows: pa.Table) -> list[Item]:
    """Return the items of some rows.

    Raises:
        DatasetDamaged: A path leads out of the input directory, or a number is impossible.
    """
    items = [Item(**values) for values in _structs(rows, ITEMS, _PATHS)]
    for item in items:
        if _leads_away(item.path) or not item.is_possible:
            got = str(item)[:160]
            raise DatasetDamaged(f"expected an item below the input, got {got}: {AGAIN}")
    return items


def facts_in(rows: pa.Table) -> list[Facts]:
    """Return the facts of some rows; equal ones are one object where they follow each other."""
    return [Facts(**values) for values in _structs(rows, FACTS, {})]


def _structs(rows: pa.Table, schema: pa.Schema, read: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = [name for name in rows.column_names if schema.get_field_index(name) >= 0]
    columns = [read.get(name, iter)(rows[name].to_pylist()) for name in names]
    for values in zip(*columns, strict=True):
        yield {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in zip(names, values, strict=True)
        }


def _leads_away(path: str) -> bool:
    return path[:1] == "/" or "\0" in path or (".." in path and ".." in path.split("/"))


_IDENTITY: Final = (
    *("path", "size_bytes", "mtime_ns", "pictures_digest", "segment", "segments"),
    *("start_ns", "end_ns", "clip_start_ns", "clip_end_ns", "extra"),
)
"""Columns that say which file, in which state, and which range of it; ``labels`` of annotated
ones besides."""


def digest(rows: pa.Table) -> bytes:
    """Return bytes that are equal for rows of equal identity in equal order: what to hash.

    They hold the columns of ``_IDENTITY`` that are not at rest: names, lengths, values, and which
    are null.
    """
    is_annotated = "extra" in rows.column_names and not is_at_rest("extra", rows["extra"])
    names = [*_IDENTITY, *(["labels"] if is_annotated else [])]
    parts: list[bytes] = []
    for name in names:
        if name in rows.column_names and not is_at_rest(name, rows[name]):
            parts += [name.encode(), *_bytes_of(rows[name])]
    return b"\0".join(parts)


def is_at_rest(name: str, column: pa.ChunkedArray) -> bool:
    """Return whether every value of a column is the one that a new ``Item`` or ``Facts`` has."""
    rest = AT_REST.get(name)
    if rest is None:
        return bool(column.null_count == len(column))
    if rest == ():
        return not bool(pc.any(pc.greater(pc.list_value_length(column), 0)).as_py())
    return bool(pc.all(pc.equal(column, rest)).as_py())


def _bytes_of(column: pa.Array | pa.ChunkedArray) -> list[bytes]:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks or [pa.array([], column.type)])
    present = np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes()
    kind = column.type
    if pa.types.is_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0)
        return [present, _little(lengths), *_bytes_of(pc.list_flatten(column))]
    if pa.types.is_floating(kind):
        values = np.asarray(pc.fill_null(column, 0.0))
        return [present, values.astype("<f8").tobytes()]
    if pa.types.is_integer(kind):
        return [present, _little(pc.fill_null(column, 0))]
    column = pc.fill_null(column.cast(pa.large_binary()), b"")
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :][: len(column) + 1]
    data = column.buffers()[2]
    content = data[offsets[0] : offsets[-1]].to_pybytes() if data is not None else b""
    return [present, np.diff(offsets).astype("<i8").tobytes(), content]


def _little(column: pa.Array) -> bytes:
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values.astype("<i8").tobytes()


def content_name(rows: pa.Table) -> str:
    """Return 16 hex digits that name the content of all columns."""
    parts = [part for name in rows.column_names for part in (name.encode(), *_bytes_of(rows[name]))]
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()


def without_rest(rows: pa.Table) -> pa.Table:
    """Return the same without the columns that are at rest."""
    return rows.select([n for n in rows.column_names if not is_at_rest(n, rows[n])])


def with_probe_seconds(rows: pa.Table, probe_s: float) -> pa.Table:
    """Return the same with a note of what probing each row took, the mean, in seconds."""
    return rows.replace_schema_metadata({_PROBE_S: f"{probe_s:.9f}"})


def probe_seconds(rows: pa.Table) -> float:
    """Return what probing each row took, the mean, in seconds; 0 if that is not noted."""
    return float((rows.schema.metadata or {}).get(_PROBE_S, 0))


def batch_of(
    rows: pa.Table, first: int, end: int, *, name: str, stage: Stage, spec_key: str
) -> Batch:
    """Return the batch of the rows ``[first, end)`` of a table.

    Args:
        rows: The whole table.
        first: First row.
        end: End of the rows (exclusive).
        name: Name of the table, from ``write_table``.
        stage: What is to be done with them.
        spec_key: Key of the job's spec: other work has other names.
    """
    part = rows.slice(first, end - first)
    identity = b"%b\0%b\0%b" % (spec_key.encode(), stage.encode(), digest(part))
    ends = part.take([0, part.num_rows - 1]) if len(part) > 1 else part
    paths = [os.fsdecode(path) for path in ends["path"].to_pylist()]
    segment, segments = (
        part[column][0].as_py() if column in part.column_names else rest
        for column, rest in (("segment", 0), ("segments", 1))
    )
    return Batch(
        id=hashlib.blake2b(identity, digest_size=8).hexdigest(),
        stage=stage,
        table=name,
        first=first,
        end=end,
        subject=subject_of(paths, segment=segment, segments=segments),
        size_bytes=_sum_of_sizes(part["size_bytes"]),
    )


def _sum_of_sizes(column: pa.ChunkedArray) -> int:
    """Return the sum of sizes; whole numbers of 64 bits would begin anew behind the largest."""
    total = pc.sum(column.cast(pa.float64(), safe=False)).as_py()
    return min(_MOST_BYTES, int(total))


def files_in(rows: pa.Table) -> int:
    """Return the number of files among some rows: a file counts at its first row."""
    if "segment" not in rows.column_names:
        return int(rows.num_rows)
    return int(pc.sum(pc.equal(rows["segment"], 0)).as_py() or 0)


def runs_of(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Return increasing positions as ranges ``(first, end)``."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position:
            runs[-1] = (runs[-1][0], position + 1)
        else:
            runs.append((position, position + 1))
    return runs
