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
from shardmill.contract.job import Job
from shardmill.contract.layout import Layout

MEMORY_LIMIT: Final = "512MB"
"""What a query may hold in memory; larger sorts and joins go through ``Layout.tmp``."""
_THREADS: Final = 4  # each takes its share of the memory, whatever the machine's cores
_ROWS_AT_ONCE: Final = 1024


class _Parts(ds.FileSystemDataset):  # type: ignore[misc]  # pyarrow has no types
    """Part files as one table that DuckDB scans anew for each query."""

    def __init__(self, paths: Iterable[str], form: ds.FileFormat, schema: pa.Schema) -> None:
        disk = LocalFileSystem()
        name = ds.field("part")
        fragments = [
            form.make_fragment(path, disk, partition_expression=name == os.path.basename(path))
            for path in paths
        ]
        super().__init__(fragments, schema.append(pa.field("part", pa.string())), form, disk)

    def scanner(self, **options: Any) -> ds.Scanner:
        """Return a scanner that forgets each file behind it.

        Arrow would keep what it learnt of every Parquet file: 0.1 MB a part, measured.
        """
        return super().scanner(cache_metadata=False, **options)


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
        EnvironmentFault: Memory is short.
    """
    layout = Layout(out)
    chosen = layout.parts() if parts is None else parts
    limits: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": _THREADS,
        "temp_directory": layout.tmp,
    }
    with _faults():
        con = duckdb.connect(config=limits)
        con.register("manifest_rows", _Parts(chosen, ds.ParquetFileFormat(), manifest.SCHEMA))
        con.execute("create view files as select * exclude (part) from manifest_rows")
    return con


def add_clips(con: duckdb.DuckDBPyConnection, index_parts: Iterable[str]) -> None:
    """Give a connection the tables ``clips`` and ``frames`` over some index parts."""
    con.register("clip_index", _Parts(index_parts, ds.IpcFileFormat(), index.SCHEMA))
    con.execute(sql("views"))


def connect(out: str) -> duckdb.DuckDBPyConnection:
    """Return a connection for untrusted SQL with the tables ``files``, ``clips``, ``frames``.

    It can neither read nor write any file, see Python's variables, load an extension or change
    a setting.  Close it after use.

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
        add_clips(con, [layout.index_of(row["shard"]) for row in shards])
    except DatasetDamaged:
        con.close()
        raise
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    return con


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
            f"cannot read the manifest or index: {_first_line(error)}; "
            "`shardmill verify` names each damaged file"
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
        DatasetDamaged: The manifest cannot be read.
    """
    with closing(connect(out)) as con:
        try:
            con.execute(text)
            if con.description is None:
                raise UsageError(f"expected one SQL query, got {text!r:.80}")
            yield Answer(tuple(column[0] for column in con.description), _rows(con))
        except duckdb.Error as error:
            raise UsageError(f"this query has no answer: {_first_line(error)}") from error


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := con.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
