"""The one place where text goes to standard output: control characters are escaped on the way.

A file's name, an annotation or ``job.json`` may hold what a terminal takes for a command.  JSON
escapes it by itself.  CSV for a file or a program keeps every cell as it is.
"""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from shardmill.contract.quantity import printable

UNBOUNDED: Final = 100_000
"""Width of what goes to a file: nothing is folded."""
INDENT: Final = 11
"""Column at which facts begin, behind their names."""


def say(line: str = "", *, to_error: bool = False) -> None:
    """Print one line."""
    print(printable(line), file=sys.stderr if to_error else sys.stdout, flush=True)


def say_lines(lines: Iterable[str]) -> None:
    """Print lines; on a terminal, long ones go on between words, under their second column."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNBOUNDED
    for line in lines:
        for piece in fold(printable(line), width).split("\n"):
            say(piece)


def fold(line: str, width: int) -> str:
    """Return a line in pieces of ``width``; names that are longer stay whole, to be copied."""
    if len(line) <= width:
        return line
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def say_json(values: object) -> None:
    """Print one JSON object in a line, at once; what JSON has no form for becomes text."""
    print(json.dumps(values, default=str), flush=True)


def say_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Print a table; on a terminal, long cells are folded.

    Args:
        columns: Their headings.
        rows: A cell a column; None is empty.
        right: Headings of the columns that are aligned to the right, as numbers are.
        title: Stands above it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title_justify="left", title=title)
    for column in columns:
        table.add_column(
            Text(printable(column)),
            justify="right" if column in right else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*("" if cell is None else Text(printable(str(cell))) for cell in row))
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(width=width).print(table, markup=False)


def say_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print comma-separated values, each as it is, unless they go to a terminal."""
    from shardmill.report.export import write_csv

    if sys.stdout.isatty():
        columns = list(map(printable, columns))
        rows = ([printable(c) if isinstance(c, str) else c for c in row] for row in rows)
    write_csv(sys.stdout, columns, rows)
