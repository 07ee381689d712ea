"""The tables of an output directory: ``files``, ``clips`` and ``frames``.

Only committed rows show: ``files`` is the manifest parts, and ``clips`` and ``frames`` come from
the index parts of the shards that committed rows name.  DuckDB never opens a part itself, it
is handed Arrow streams; so a connection for other people's SQL needs no file access at all.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from shardmill.contract import index, manifest
from shardmill.contract.errors import (
    MORE_MEMORY,
    DatasetDamaged,
    EnvironmentFault,
    UsageError,
)
from shardmill.contract.files import refuse_link
from shardmill.contract.job import Job
from shardmill.contract.layout import Layout

NAMES_EACH: Final = "`shardmill verify` names each damaged file"
MEMORY_LIMIT: Final = "512MB"
"""What a query may hold in memory; larger sorts and joins go through ``Layout.tmp``."""
_THREADS: Final = 4  # each takes its share of the memory, whatever the machine's cores
_ROWS_AT_ONCE: Final = 1024
_LEAST_ROWS: Final = 2048
"""Of a batch: as many as DuckDB looks at together."""
_LEAST_BYTES: Final = 1 << 23
"""Of a batch of fewer rows: clips may have any number of frames."""


class _Parts(ds.FileSystemDataset):  # type: ignore[misc]  # pyarrow has no types
    """Part files as one table that DuckDB scans anew for each query."""

    def __init__(self, paths: Iterable[str], form: ds.FileFormat, schema: pa.Schema) -> None:
        disk = LocalFileSystem()
        name = ds.field("part")
        paths = list(paths)
        for path in paths:
            refuse_link(path)
        fragments = [
            form.make_fragment(path, disk, partition_expression=name == os.path.basename(path))
            for path in paths
        ]
        super().__init__(fragments, schema.append(pa.field("part", pa.string())), form, disk)

    def scanner(self, **options: Any) -> ds.Scanner:
        """Return a scanner that forgets each file behind it, and yields batches of many rows.

        Arrow would keep what it learnt of every Parquet file: 0.1 MB a part, measured.  DuckDB
        sets aside as much for a batch of two rows as for one of two thousand: 0.1 MB again.
        """
        reader = super().scanner(cache_metadata=False, **options).to_reader()
        joined = pa.RecordBatchReader.from_batches(reader.schema, _joined(reader))
        return ds.Scanner.from_batches(joined)


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches of at least ``_LEAST_ROWS`` rows or ``_LEAST_BYTES``, but for the last one."""
    group: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size_bytes += batch.nbytes
        if rows >= _LEAST_ROWS or size_bytes >= _LEAST_BYTES:
            yield pa.concat_batches(group)
            group, rows, size_bytes = [], 0, 0
    if group:
        yield pa.concat_batches(group)


class ClipIndex(_Parts):
    """Index parts as one table, each of which is held against its checksum before it is scanned.

    Arrow follows the offsets in them without a look: damaged ones would end the process.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._unchecked = list(paths)
        super().__init__(self._unchecked, ds.IpcFileFormat(), index.SCHEMA)
        self.damage: DatasetDamaged | None = None
        """What was found wrong, for DuckDB passes no exception on."""

    def scanner(self, **options: Any) -> ds.Scanner:
        """Return a scanner.

        Raises:
            DatasetDamaged: One of the files is damaged.
        """
        try:
            while self._unchecked:
                index.check_index(self._unchecked[-1])
                self._unchecked.pop()
        except DatasetDamaged as damage:
            self.damage = DatasetDamaged(f"{damage}; {NAMES_EACH}")
            raise
        return super().scanner(**options)


def sql(name: str) -> str:
    """Return the text of one of this package's ``.sql`` files."""
    return resources.files(__package__).joinpath(f"{name}.sql").read_text("utf-8")


def open_files(out: str, parts: Iterable[str] | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection for our own SQL with the table ``files``.

    ``manifest_rows`` is the same with a column ``part``, the file name of a row's part.

    Args:
        out: Output directory.
        parts: Manifest parts to read; None means all.

    Raises:
        DatasetDamaged: A part, or the folder of all, is a symbolic link.
        EnvironmentFault: Memory is short.
    """
    layout = Layout(out)
    layout.refuse_linked_folders()
    chosen = layout.parts() if parts is None else parts
    limits: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": _THREADS,
        "temp_directory": layout.tmp,
    }
    with _faults():
        con = duckdb.connect(config=limits)
        con.register("manifest_parts", _Parts(chosen, ds.ParquetFileFormat(), manifest.SCHEMA))
        con.execute(sql("rows"))
    return con


def add_clips(con: duckdb.DuckDBPyConnection, index_parts: Iterable[str]) -> ClipIndex:
    """Give a connection the tables ``clips`` and ``frames`` over some index parts."""
    table = ClipIndex(index_parts)
    con.register("clip_index", table)
    con.execute(sql("views"))
    return table


def connect(out: str) -> tuple[duckdb.DuckDBPyConnection, ClipIndex]:
    """Return a connection for untrusted SQL with the tables ``files``, ``clips``, ``frames``.

    It can neither read nor write any file, see Python's variables, load an extension or change
    a setting.  Close it after use.  What lies behind ``clips`` and ``frames`` comes with it.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    layout = Layout(out)
    if not os.path.isdir(layout.manifest):
        job_of(out)
    con = open_files(out)
    try:
        shards = ask(con, "select distinct shard from files where shard is not null")
        clip_index = add_clips(con, [layout.index_of(row["shard"]) for row in shards])
    except DatasetDamaged:
        con.close()
        raise
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    return con, clip_index


def job_of(out: str) -> Job:
    """Return the job of an output directory.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: ``job.json`` cannot be understood.
    """
    job = Job.read(out)
    if job is None:
        raise UsageError(
            f"expected an output directory of shardmill, found no job.json in {out!r}: "
            "give the directory that was given as --out"
        )
    return job


def ask(con: duckdb.DuckDBPyConnection, text: str, **values: Any) -> list[dict[str, Any]]:
    """Return the rows of our own SQL, column name to value.

    Raises:
        DatasetDamaged: A part cannot be read.
        EnvironmentFault: The disk is full or may not be written, or memory is short.
    """
    with _faults():
        con.execute(text, values)
        names = [column[0] for column in con.description or ()]
        return [dict(zip(names, row, strict=True)) for row in con.fetchall()]


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what DuckDB raises over our own SQL into errors of ours.

    Raises:
        DatasetDamaged: A part cannot be read.
        EnvironmentFault: The disk is full or may not be written, or memory is short.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        fault = f"cannot sum up the manifest: {_first_line(error)}; {MORE_MEMORY}"
        raise EnvironmentFault(fault) from error
    except duckdb.IOException as error:
        raise EnvironmentFault(f"cannot sum up the manifest: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise DatasetDamaged(
            f"cannot read the manifest or index: {_first_line(error)}; {NAMES_EACH}"
        ) from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave."""

    columns: tuple[str, ...]
    """Names of the columns."""
    rows: Iterator[tuple[Any, ...]]
    """The rows, fetched as they are asked for; can be gone through once."""


@contextmanager
def query(out: str, text: str) -> Iterator[Answer]:
    """Give the answer to untrusted SQL over ``files``, ``clips`` and ``frames``.

    Raises:
        UsageError: The SQL is wrong or wants more than these tables; also while rows are read.
        DatasetDamaged: The manifest cannot be read, or the index of a shard.
    """
    con, clip_index = connect(out)
    with closing(con):
        try:
            con.execute(text)
            if con.description is None:
                raise UsageError(f"expected one SQL query, got {text!r:.80}")
            yield Answer(tuple(column[0] for column in con.description), _rows(con))
        except duckdb.Error as error:
            if clip_index.damage is not None:
                raise clip_index.damage from error
            raise UsageError(f"this query has no answer: {_first_line(error)}") from error


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := con.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
