"""CSV, TSV and plain lists, in batches and in constant memory.

The csv module gives up at a quote that is never closed, with all that it has swallowed.  Here
reading goes on at the line behind the bad record's first one.
"""

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from shardmill.annotations.presets import DELIMITERS, Preset
from shardmill.annotations.records import (
    TOO_LONG,
    Batch,
    ColumnValues,
    Faults,
    Place,
    Unfit,
    batched,
    shown,
)
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import LIMIT, StrayByte, TextFile, utf8

Row = Sequence[str]
Entry = tuple[int, Row | Unfit, int]
"""Number of the first line, the row or what is wrong with it, and its characters."""


def delimited(file: TextFile, preset: Preset, faults: Faults) -> Iterator[Batch]:
    """The records of ``csv`` and ``tsv``.

    Args:
        file: The file.
        preset: Delimiter, and the names of the columns where there is no header.
        faults: Counts the names of columns with blanks at their ends.

    Raises:
        InvalidAnnotations: The header cannot be read, names a column twice, or lacks one.
    """
    form = preset.form
    delimiter = form.delimiter or DELIMITERS[form.format_of(file.path)]
    rows = _rows(file, delimiter)
    header = form.names or _header(file.path, next(rows, None), faults)
    if header is not None:
        _check_header(file.path, header, preset)
        yield from _table(header, rows, preset, delimiter)


def listed(file: TextFile, preset: Preset) -> Iterator[Batch]:
    """The records of a plain list: columns between blanks, of which the first may have some.

    Raises:
        InvalidAnnotations: A needed column is not named.
    """
    names = preset.form.names or ("path",)
    _check_header(file.path, names, preset)

    def rows() -> Iterator[Entry]:
        for number, text in file.names():
            if text is None:
                yield number, TOO_LONG, 0
            elif text.strip():
                row = text.rsplit(maxsplit=len(names) - 1) if len(names) > 1 else [text]
                yield number, row, len(text)

    yield from _table(names, rows(), preset, " ")


def _check_header(path: str, header: Row, preset: Preset) -> None:
    found = f"{', '.join(map(shown, header[:20]))} in {path!r}"
    if len(set(header)) < len(header):
        raise InvalidAnnotations(f"expected each column once, got {found}: rename one of them")
    if lacking := sorted(preset.columns.needed - set(header)):
        raise InvalidAnnotations(
            f"expected a column {lacking[0]!r}, got {found}: say which column is meant, "
            "or which preset"
        )


def _table(header: Row, rows: Iterator[Entry], preset: Preset, delimiter: str) -> Iterator[Batch]:
    """Rows as batches of columns; those of another width than the header are faults."""
    others = [name for name in header if name not in preset.columns.mapped]
    width = len(header)

    def checked() -> Iterator[Entry]:
        for number, row, size in rows:
            if isinstance(row, Unfit) or len(row) == width:
                yield number, row, size
            else:
                got = f"{len(row)}: {shown(delimiter.join(row))}"
                yield number, Unfit("columns", f"expected {width} columns, got {got}"), size

    def divide(rows: list[Row]) -> tuple[ColumnValues, Sequence[Mapping[str, object]]]:
        columns = dict(zip(header, zip(*rows, strict=True), strict=False))
        cells = list(zip(*(columns.get(name, ()) for name in others), strict=True))
        cells = cells or [()] * len(rows)
        mappings = {row: dict(zip(others, row, strict=True)) for row in set(cells)}
        return columns, [mappings[row] for row in cells]  # equal ones are converted once

    return batched(checked(), divide)


def _header(path: str, first: Entry | None, faults: Faults) -> Row | None:
    """Names of the columns, by the first row; None if there is no row."""
    if first is None:
        return None
    number, row, _ = first
    if isinstance(row, Unfit):
        raise InvalidAnnotations(f"expected a header as the first line of {path!r}: {row}")
    faults.blanks["column name"] += sum(name != name.strip() for name in row)
    try:
        return [utf8(name.strip()) for name in row]
    except StrayByte as error:
        raise InvalidAnnotations(f"{Place(path, 'line', number)}: {error}") from error


def _rows(file: TextFile, delimiter: str) -> Iterator[Entry]:
    """The rows of a file; blank lines are none.

    Quotes follow RFC 4180: a field that begins with one ends with one, may hold delimiters and
    line ends, and has each of its own doubled.
    """
    lines = _Lines(file)
    while True:
        try:
            for row in csv.reader(lines, delimiter=delimiter, strict=True):
                number, text = lines.taken[0]
                if row and (row[0].strip() or (text or "").strip()):
                    yield number, row, lines.characters
                lines.end_record()
        except (csv.Error, Unfit) as error:
            fault = Unfit("quotes", f"expected columns, got what cannot be split: {error}")
            is_long = error is TOO_LONG and len(lines.taken) == 1
            yield lines.taken[0][0], TOO_LONG if is_long else fault, 0
            lines.end_record(is_bad=True)
        else:
            return


class _Lines(Iterator[str]):
    """Lines of a file for the csv module, which can be given back after a bad record."""

    def __init__(self, file: TextFile) -> None:
        self._source = file.lines()
        self._given_back: deque[tuple[int, str | None]] = deque()
        self.taken: list[tuple[int, str | None]] = []
        """Number and text of the lines of the record that is being read."""
        self.characters = 0
        """Length of these."""

    def __next__(self) -> str:
        if self.characters > LIMIT:
            raise StopIteration  # the csv module ends the record here, and finds its quote open
        line = self._given_back.popleft() if self._given_back else next(self._source)
        self.taken.append(line)
        if line[1] is None:
            raise TOO_LONG
        self.characters += len(line[1])
        return line[1]

    def end_record(self, *, is_bad: bool = False) -> None:
        """Forget the record's lines, or give all but the first back."""
        if is_bad:
            self._given_back.extendleft(reversed(self.taken[1:]))
        self.taken.clear()
        self.characters = 0
