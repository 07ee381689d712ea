"""Answers of queries as files of other programs: CSV, and tables of an SQLite database."""

import csv
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any, Final

from shardmill.contract.errors import EnvironmentFault, UsageError
from shardmill.report import store
from shardmill.report.store import Answer

TABLES: Final = ("files", "clips", "frames")
"""What is exported where nothing is asked for."""
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that spreadsheets take for a formula (OWASP, CSV injection)."""
_INTEGERS: Final = range(-(2**63), 2**63)
"""What SQLite holds as a number; DuckDB's sums may be larger."""


def export(out: str, path: str, sql: str | None) -> None:
    """Write the answer to untrusted SQL to a new file, whole or not at all.

    Args:
        out: Output directory.
        path: Ends in ``.csv``, ``.sqlite`` or ``.db``.
        sql: The question; None means all three tables, for which SQLite has room.

    Raises:
        UsageError: ``path`` exists or has another suffix, or the SQL is wrong.
        DatasetDamaged: The manifest cannot be read.
        EnvironmentFault: The file cannot be written.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _WRITERS:
        raise UsageError(f"expected a file name that ends in .csv, .sqlite or .db, got {path!r}")
    if os.path.lexists(path):
        raise UsageError(f"expected the name of a new file, {path!r} is there already: remove it")
    if sql is None and suffix == ".csv":
        raise UsageError(
            f"a CSV file holds one table: give a query, such as 'from {TABLES[0]}', "
            "or a name that ends in .sqlite"
        )
    questions = {"answer": sql} if sql is not None else {name: f"from {name}" for name in TABLES}
    try:
        with _whole(path) as partial:
            _WRITERS[suffix](out, partial, questions)
    except OSError as error:
        raise EnvironmentFault(f"expected to write {path}, but: {error}") from error


class _UnixLines:
    """Ends the lines of a CSV writer with a line feed alone.

    A writer that is asked to do so itself leaves carriage returns within a cell unquoted (Python
    before 3.13), and they would end the line for every reader.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Write one line."""
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_csv(file: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table to a text file, a line of names first.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, which makes it text
    there; numbers stay as they are.
    """
    writer = csv.writer(_UnixLines(file), lineterminator="\r\n")
    writer.writerow(map(_inert, columns))
    writer.writerows(map(_inert, row) for row in rows)


def _inert(cell: object) -> object:
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULAS)
    return f"'{cell}" if is_formula else cell


def _to_csv(out: str, path: str, questions: Mapping[str, str]) -> None:
    (sql,) = questions.values()
    with store.query(out, sql) as answer, open(path, "w", encoding="utf-8", newline="") as file:
        write_csv(file, answer.columns, answer.rows)


def _to_sqlite(out: str, path: str, questions: Mapping[str, str]) -> None:
    with open(path, "xb"):
        pass  # SQLite does not say why it cannot
    try:
        with closing(sqlite3.connect(path)) as con, con:
            for name, sql in questions.items():
                with store.query(out, sql) as answer:
                    _add_table(con, name, answer)
    except (sqlite3.Error, OverflowError) as error:
        raise UsageError(
            f"expected an answer that SQLite can hold, but: {error}: change the query"
        ) from error


def _add_table(con: sqlite3.Connection, name: str, answer: Answer) -> None:
    columns = ", ".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in answer.columns)
    con.execute(f'create table "{name}" ({columns})')
    places = ", ".join("?" * len(answer.columns))
    rows = ([_plain(value) for value in row] for row in answer.rows)
    con.executemany(f'insert into "{name}" values ({places})', rows)  # noqa: S608 - our own names


def _plain(value: object) -> object:
    """Return a value as SQLite holds it; what it knows nothing of as text."""
    if isinstance(value, int):
        return value if value in _INTEGERS else str(value)
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or isinstance(value, float | str | bytes) else str(value)


@contextmanager
def _whole(path: str) -> Iterator[str]:
    """Give the name of a file that takes its place at the end, or vanishes."""
    partial = f"{path}.{os.getpid()}.tmp"
    try:
        yield partial
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


_WRITERS: Final[dict[str, Callable[[str, str, Mapping[str, str]], None]]] = {
    ".csv": _to_csv,
    ".sqlite": _to_sqlite,
    ".db": _to_sqlite,
}
