"""The tables of an output directory: ``files``, ``clips``, ``frames`` and ``parts``.

Only committed rows show: ``parts`` is the rows of the manifest, ``files`` has one row a file, and
``clips`` and ``frames`` come from the index parts of the shards that committed rows name.  DuckDB
never opens a file itself, it is handed Arrow streams; so a connection for other people's SQL needs
no file access at all.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from shardmill.contract.errors import (
    MORE_MEMORY,
    DatasetDamaged,
    EnvironmentFault,
    UsageError,
)
from shardmill.dataset import index, manifest
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.storage.part_files import PartFiles

NAMES_EACH: Final = "`shardmill verify` names each damaged file"
MEMORY_LIMIT: Final = "512MB"
"""What a query may hold in memory; larger sorts and joins go through ``Layout.tmp``."""
_THREADS: Final = 4  # each takes its share of the memory, whatever the machine's cores
_ROWS_AT_ONCE: Final = 1024
_MANIFEST: Final = manifest.SCHEMA.append(pa.field("part", pa.string()))
"""Columns of ``manifest_parts``."""


class _Deferred(ds.InMemoryDataset):  # type: ignore[misc]
    """A table that is made when a query first asks for it."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__(schema.empty_table())
        self.fault: DatasetDamaged | OSError | None = None
        """Why it could not be made, for DuckDB passes no exception on."""

    def scanner(self, **options: Any) -> ds.Scanner:
        """Return a scanner.

        Raises:
            DatasetDamaged: One of the files is damaged.
            OSError: One of the files cannot be read.
        """
        try:
            return self.scan(**options)
        except (DatasetDamaged, OSError) as fault:
            self.fault = fault
            raise

    def scan(self, **options: Any) -> ds.Scanner:
        """Make the table and return a scanner of it."""
        return super().scanner(**options)


class ClipIndex(_Deferred):
    """Index parts as one table, each of which is held against its checksum before it is scanned.

    Arrow follows the offsets in them without a look: damaged ones would end the process.

    Args:
        paths: The parts; gone through when a query first asks for them.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__(index.SCHEMA)
        self._paths = paths

    def scan(self, **options: Any) -> ds.Scanner:
        """Check the parts and return a scanner of them."""
        return self._parts.scanner(**options)

    @cached_property
    def _parts(self) -> PartFiles:
        paths = list(self._paths)
        try:
            for path in paths:
                index.check_index(path)
        except DatasetDamaged as damage:
            raise DatasetDamaged(f"{damage}; {NAMES_EACH}") from damage
        return PartFiles(paths, ds.IpcFileFormat(), index.SCHEMA)


class Rows(_Deferred):
    """Rows of the manifest, of which a query reads the columns that it asks for.

    Args:
        read: Returns the named columns of all rows, or of those that fulfil a condition.
        shards: Returns the shards that the rows name.
        is_plain: Whether every file has one row.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str], pc.Expression | None], pa.Table],
        shards: Callable[[], Sequence[str]],
        *,
        is_plain: bool,
    ) -> None:
        super().__init__(_MANIFEST)
        self._read, self.shards, self.is_plain = read, shards, is_plain

    def scan(self, **options: Any) -> ds.Scanner:
        """Read the columns and return a scanner of them."""
        condition = options.get("filter")
        asked = set(options.get("columns") or self.schema.names)
        if condition is not None:
            asked |= {name for name in self.schema.names if self._needs(condition, name)}
        rows = self._read([name for name in manifest.SCHEMA.names if name in asked], condition)
        return ds.dataset(rows).scanner(**options)

    def _needs(self, condition: ds.Expression, name: str) -> bool:
        """Return True if a condition means nothing without one of the columns."""
        others = pa.schema([field for field in self.schema if field.name != name])
        try:
            ds.dataset(others.empty_table()).scanner(filter=condition)
        except pa.ArrowInvalid:
            return True
        return False


def sql(name: str) -> str:
    """Return the text of one of this package's ``.sql`` files."""
    return resources.files(__package__).joinpath(f"{name}.sql").read_text("utf-8")


def open_files(
    out: str,
    parts: Iterable[str] | None = None,
    *,
    rows: Rows | None = None,
    kept: str | None = None,
    written: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Return a connection for our own SQL with the tables ``files`` and ``parts``.

    ``file_clips`` has one row a clip, in the columns of ``files``.  ``manifest_rows`` is ``parts``
    with a column ``part``, the file name of a row's manifest part.

    Args:
        out: Output directory.
        parts: Manifest parts to read; None means all.
        rows: Stands for the parts, where their rows are read elsewhere.
        written: Whether ``files.parquet`` has just been written from these parts.  Where every file
            has one row it is asked instead of them, and nothing is kept.
        kept: Name of the SQL that keeps the columns that will be asked for, so that the manifest is
            read once; None reads it anew for each question.

    Raises:
        DatasetDamaged: A part, or the folder of all, is a symbolic link.
        EnvironmentFault: Memory is short.
    """
    layout = Layout(out)
    layout.refuse_linked_folders()
    if rows is None:
        chosen = layout.parts() if parts is None else parts
        table: ds.Dataset = PartFiles(chosen, ds.ParquetFileFormat(), manifest.SCHEMA)
    else:
        table = rows
    limits: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": _THREADS,
        "temp_directory": layout.tmp,
    }
    with _faults():
        con = duckdb.connect(config=limits)
        con.register("manifest_parts", table)
        con.execute(sql("rows"))
        is_plain = rows.is_plain if rows is not None else _is_plain(con)
        is_in_table = written and is_plain
        if kept is not None and not is_in_table:
            con.execute(sql(kept))
        con.execute(sql("files"))
        if is_in_table:
            table_path = layout.files.replace("'", "''")
            con.execute(f"create or replace view plain_files as from read_parquet('{table_path}')")
        con.execute(sql("plain_files" if is_plain else "grouped_files"))
    return con


def _is_plain(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether every file has one row."""
    (most,) = con.execute("select max(segments) from manifest_rows").fetchone() or (None,)
    return most is None or most == 1


def open_results(out: str) -> duckdb.DuckDBPyConnection:
    """Return a connection for our own SQL with the table ``files`` as ``files.parquet`` has it.

    Raises:
        DatasetDamaged: It is a symbolic link.
    """
    con = duckdb.connect(config={"threads": _THREADS, "memory_limit": MEMORY_LIMIT})
    con.register("files", PartFiles([Layout(out).files], ds.ParquetFileFormat(), manifest.OF_FILES))
    return con


def add_clips(con: duckdb.DuckDBPyConnection, index_parts: Iterable[str]) -> ClipIndex:
    """Give a connection the tables ``clips`` and ``frames`` over some index parts."""
    table = ClipIndex(index_parts)
    con.register("clip_index", table)
    con.execute(sql("views"))
    return table


def connect(out: str, rows: Rows | None = None) -> tuple[duckdb.DuckDBPyConnection, ClipIndex]:
    """Return a connection for untrusted SQL: ``files``, ``clips``, ``frames`` and ``parts``.

    It can neither read nor write any file, see Python's variables, load an extension or change
    a setting.  Close it after use.  What lies behind ``clips`` and ``frames`` comes with it.

    Args:
        out: Output directory.
        rows: The rows of its manifest; None means that they are read here.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    layout = Layout(out)
    if not os.path.isdir(layout.manifest):
        job_of(out)
    con = open_files(out, rows=rows)
    try:
        clip_index = add_clips(con, _index_parts(con, layout, rows))
    except DatasetDamaged:
        con.close()
        raise
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    return con, clip_index


def _index_parts(
    con: duckdb.DuckDBPyConnection, layout: Layout, rows: Rows | None
) -> Iterable[str]:
    """Return the index parts of all committed shards."""
    if rows is not None:
        return (layout.index_of(shard) for read in [rows.shards] for shard in read())
    shards = ask(con, "select distinct shard from parts where shard is not null")
    return [layout.index_of(row["shard"]) for row in shards]


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
def query(out: str, text: str, *, rows: Rows | None = None) -> Iterator[Answer]:
    """Give the answer to untrusted SQL over ``files``, ``clips``, ``frames`` and ``parts``.

    Args:
        out: Output directory.
        text: The SQL.
        rows: The rows of its manifest; None means that they are read here.

    Raises:
        UsageError: The SQL is wrong or wants more than these tables; also while rows are read.
        DatasetDamaged: The manifest cannot be read, or the index of a shard.
        OSError: What ``rows`` reads cannot be read.
    """
    con, clip_index = connect(out, rows)
    with closing(con):
        try:
            con.execute(text)
            if con.description is None:
                raise UsageError(f"expected one SQL query, got {text!r:.80}")
            yield Answer(tuple(column[0] for column in con.description), _rows(con))
        except duckdb.Error as error:
            for table in (clip_index, rows):
                if table is not None and table.fault is not None:
                    raise table.fault from error
            raise UsageError(f"this query has no answer: {_first_line(error)}") from error


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := con.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
