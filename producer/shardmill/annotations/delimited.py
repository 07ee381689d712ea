"""CSV, TSV and plain lists, record by record, in constant memory.

The csv module gives up at a quote that is never closed, with all that it has swallowed.  Here
every record is parsed on its own, and after a bad one the reading goes on at the next line.
"""

import csv
from collections import deque
from collections.abc import Iterator

from shardmill.annotations.annotation import Faults, Place, Unfit, shown
from shardmill.annotations.form import DELIMITERS, Form
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import LIMIT, StrayByte, TextFile, utf8

Line = tuple[int, str | None]
Record = tuple[Place, dict[str, object]]
"""Where it stands, and column name to value."""
TOO_LONG = Unfit("long", f"expected at most {LIMIT:,} characters, got a longer line")


class Rows:
    """The rows of a delimited file with the number of their first line; blank lines are none.

    Quotes follow RFC 4180: a field that begins with one ends with one, may hold delimiters and
    line ends, and has each of its own doubled.
    """

    def __init__(self, file: TextFile, delimiter: str) -> None:
        self._source = file.lines()
        self._given_back: deque[Line] = deque()
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[tuple[int, list[str] | Unfit]]:
        while (line := self._next()) is not None:
            number, text = line
            if text is None:
                yield number, TOO_LONG
                continue
            if '"' in text:
                yield number, self._quoted(line)
            elif text.strip():
                yield number, text.rstrip("\r\n").split(self._delimiter)

    def _next(self) -> Line | None:
        return self._given_back.popleft() if self._given_back else next(self._source, None)

    def _quoted(self, line: Line) -> list[str] | Unfit:
        """Parse a record that may span lines; after a bad one its further lines are given back."""
        taken = [line]
        try:
            return next(csv.reader(self._feed(taken), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            self._given_back.extendleft(reversed(taken[1:]))
            return Unfit("quotes", f"expected quoted columns, got what cannot be split: {error}")

    def _feed(self, taken: list[Line]) -> Iterator[str]:
        """Yield the first line and those after it, as far as a record may reach."""
        size = 0
        text = taken[0][1]
        while text is not None and size <= LIMIT:
            yield text
            size += len(text)
            line = self._next()
            if line is None:
                return
            taken.append(line)
            text = line[1]


def delimited(file: TextFile, form: Form, faults: Faults, *, needed: set[str]) -> Iterator[Record]:
    """Yield the records of ``csv`` and ``tsv``.

    Args:
        file: The file.
        form: Says what stands between the columns, and what they are called without a header.
        faults: Takes what is left out.
        needed: Columns that must be there.

    Raises:
        InvalidAnnotations: The header cannot be read, names a column twice, or lacks one.
    """
    path = file.path
    delimiter = form.delimiter or DELIMITERS[form.format_of(path)]
    rows = iter(Rows(file, delimiter))
    header = form.names or _header(path, next(rows, None), faults)
    if header is None:
        return
    check_names(path, header, needed)
    for number, row in rows:
        place = Place(path, "line", number)
        if isinstance(row, Unfit):
            faults.add(place, row.kind, row.reason)
        elif len(row) != len(header):
            text = shown(delimiter.join(row))
            faults.add(place, "columns", f"expected {len(header)} columns, got {len(row)}: {text}")
        else:
            yield place, dict(zip(header, row, strict=True))


def _header(
    path: str, first: tuple[int, list[str] | Unfit] | None, faults: Faults
) -> list[str] | None:
    """Return the names of the columns, by the first row; None if there is no row."""
    if first is None:
        return None
    number, row = first
    if isinstance(row, Unfit):
        raise InvalidAnnotations(f"expected a header as the first line of {path!r}: {row}")
    try:
        return [utf8(faults.stripped(name, "column name")) for name in row]
    except StrayByte as error:
        raise InvalidAnnotations(f"{Place(path, 'line', number)}: {error}") from error


def listed(file: TextFile, form: Form, faults: Faults, *, needed: set[str]) -> Iterator[Record]:
    """Yield the records of a plain list: columns between blanks, of which the first may have some.

    Args:
        file: The file.
        form: Names the columns.
        faults: Takes what is left out.
        needed: Columns that must be there.

    Raises:
        InvalidAnnotations: A needed column is not named.
    """
    names = form.names or ("path",)
    check_names(file.path, names, needed)
    for number, text in file.names():
        place = Place(file.path, "line", number)
        if text is None:
            faults.add(place, TOO_LONG.kind, TOO_LONG.reason)
            continue
        if not text.strip():
            continue
        rest, fields = text, []
        for _ in names[1:]:
            rest = rest.rstrip(" \t")
            cut = max(rest.rfind(" "), rest.rfind("\t")) + 1
            fields.append(rest[cut:])
            rest = rest[:cut]
        fields.append(rest.rstrip(" \t") if fields else rest)
        if all(fields):
            yield place, dict(zip(names, reversed(fields), strict=True))
        else:
            found = sum(map(bool, fields))
            faults.add(
                place, "columns", f"expected {len(names)} columns, got {found}: {shown(text)}"
            )


def check_names(path: str, names: "list[str] | tuple[str, ...]", needed: set[str]) -> None:
    """See that a file's columns are what is asked for.

    Raises:
        InvalidAnnotations: One is there twice, or a needed one is not.
    """
    found = f"{', '.join(map(shown, names[:20]))} in {path!r}"
    if len(set(names)) < len(names):
        raise InvalidAnnotations(f"expected each column once, got {found}: rename one of them")
    if lacking := sorted(needed - set(names)):
        raise InvalidAnnotations(
            f"expected a column {lacking[0]!r}, got {found}: say which column is meant, "
            "or which preset"
        )
