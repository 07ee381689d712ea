"""JSON documents and JSON Lines, in batches and in constant memory.

A document is decoded an element at a time.  Behind a mistake in it nothing is certain, so it is
refused there; of JSON Lines a bad line costs itself alone.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shardmill.annotations.presets import Preset
from shardmill.annotations.records import (
    TOO_LONG,
    Batch,
    ColumnValues,
    Place,
    Unfit,
    batched,
    shown,
)
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import BLOCK_BYTES, LIMIT, TextFile

KEY: Final = "key"
"""The column that holds the name of a member of an object."""
VALUE: Final = "value"
"""The column that holds an element that is no object."""
NAMED: Final = 20
"""Members that a refusal names."""
LONGEST_TOKEN: Final = 16
"""A mistake so far before the end of the text is none of a token that is cut: ``-Infinity``."""
DEEPEST: Final = 50
"""Long values within long values that are skipped."""
SPACE: Final = re.compile(r"[ \t\n\r]*")
DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: None)
"""Numbers keep their digits; NaN and Infinity, which JSON does not know, are no value."""

Record = dict[str, Any]
Entry = tuple[int, Record | Unfit, int]
"""Number of the line or element, the record or what is wrong with it, and its characters."""


def line_by_line(file: TextFile, preset: Preset) -> Iterator[Batch]:
    """The records of JSON Lines; blank lines are none."""

    def entries() -> Iterator[Entry]:
        for number, text in file.lines():
            if text is None:
                yield number, TOO_LONG, 0
            elif bare := text.strip(" \t\r\n"):
                try:
                    yield number, _record(DECODER.decode(bare)), len(bare)
                except (ValueError, ArithmeticError, RecursionError) as error:
                    yield number, Unfit("json", f"broken JSON: {error}"), len(bare)

    return batched(entries(), _division(preset))


def documented(file: TextFile, preset: Preset) -> Iterator[Batch]:
    """The records of a JSON document.

    An array gives one record an element.  An object gives one a member, or one an element of a
    member that is an array of objects, with the member's name as column ``key``.

    Args:
        file: The file.
        preset: What leads to the annotations, and the columns.

    Raises:
        InvalidAnnotations: The document is broken, or has no annotations where they should be.
    """
    document = _Document(file)
    for name in preset.form.inside:
        document.enter(name)
    entries = document.entries(is_whole=not preset.form.inside)
    return batched(entries, _division(preset))


def _record(value: Any) -> Record:
    return value if isinstance(value, dict) else {VALUE: value}


def _division(
    preset: Preset,
) -> Callable[[list[Record]], tuple[ColumnValues, Sequence[Mapping[str, object]]]]:
    mapped, read = preset.columns.mapped, preset.columns.mapped | preset.columns.needed

    def divide(records: list[Record]) -> tuple[ColumnValues, Sequence[Mapping[str, object]]]:
        columns = {name: [_reached(record, name) for record in records] for name in read}
        others = [{k: v for k, v in record.items() if k not in mapped} for record in records]
        return columns, others

    return divide


def _reached(record: Record, column: str) -> object:
    """A column's value, through dots into nested ones; None if there is none."""
    if column in record:
        return record[column]
    value: object = record
    for step in column.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


class _Document:
    """The part of a document that is in memory, and the place in it."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._first_line = 1
        self._text = ""
        self._at = 0
        self._element = 0

    def enter(self, name: str) -> None:
        """Move to the value of a member of the object here.

        Raises:
            InvalidAnnotations: There is none.
        """
        passed: list[str] = []
        for key in self._values() if self._peek() == "{" else ():
            if key == name:
                return
            if len(passed) < NAMED:
                passed.append(shown(key))
            self._skip()
        raise InvalidAnnotations(
            f"expected a member {name!r} in {self._file.path!r}, got "
            f"{', '.join(passed) or 'none'}: name what leads to the annotations, from the top"
        )

    def entries(self, *, is_whole: bool) -> Iterator[Entry]:
        """The elements of the array or object here; if it ``is_whole``, nothing stands behind."""
        opening = self._peek()
        if opening in {"[", "{"}:
            for key in self._values():
                carried = {} if key is None else {KEY: key}
                is_array = key is not None and self._peek() == "[" and self._peek(ahead=1) == "{"
                for _ in self._values() if is_array else (None,):
                    self._element += 1
                    self._peek()
                    start = self._at
                    record = carried | _record(self._value())
                    yield self._element, record, max(self._at - start, 1)
        elif opening or not is_whole:
            raise InvalidAnnotations(
                f"expected an array or an object of annotations in {self._file.path!r}, "
                f"got {shown(self._text[self._at :])}"
            )
        if is_whole and self._peek():
            raise self._broken(
                "expected the end of the document, got more: "
                "if every line is a document, say that the format is jsonl"
            )

    def _values(self) -> Iterator[str | None]:
        """Stop at each value of the array or object here; its name, None in an array.

        The caller moves behind the value before the next step.
        """
        close = "]" if self._text[self._at] == "[" else "}"
        self._at += 1
        while (char := self._peek()) != close:
            if not char:
                raise self._broken(f"expected {close}, got the end of the file: it is cut off")
            yield self._name() if close == "}" else None
            char = self._peek()
            if char == ",":
                self._at += 1
            elif char and char != close:
                raise self._broken(f"expected a comma or {close}, got {char!r}")
        self._at += 1

    def _name(self) -> str:
        """The name of a member here; moves behind its colon."""
        name = self._value() if self._peek() == '"' else None
        if not isinstance(name, str) or self._peek() != ":":
            raise self._broken("expected a name in quotes and a colon")
        self._at += 1
        return name

    def _value(self) -> Any:
        """The value that begins here; moves behind it."""
        decoded = self._decoded()
        if decoded is None:
            raise self._broken(
                f"expected at most {LIMIT:,} characters, got a longer element: "
                "if the annotations are inside it, name what leads to them"
            )
        value, self._at = decoded
        return value

    def _skip(self, depth: int = 0) -> None:
        """Move behind the value that begins here, however long it is."""
        if self._peek() in {"[", "{"} and depth < DEEPEST and self._decoded() is None:
            for _ in self._values():
                self._skip(depth + 1)
        else:
            self._value()

    def _decoded(self) -> tuple[Any, int] | None:
        """The value that begins here, and its end; None if it is longer than ``LIMIT``."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_open = error.msg.startswith("Unterminated string")
                is_cut = is_open or error.pos >= len(self._text) - LONGEST_TOKEN
                if is_cut and len(self._text) - self._at > LIMIT:
                    return None
                if is_cut and self._more():
                    continue
                raise self._broken(error.msg, at=error.pos) from error
            except (ValueError, ArithmeticError, RecursionError) as error:
                raise self._broken(f"a value that no program can use ({error})") from error
            if end - self._at > LIMIT:
                return None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            return value, end

    def _peek(self, *, ahead: int = 0) -> str:
        """The next character that is no space, empty at the end; moves to it if not ``ahead``."""
        while True:
            match = SPACE.match(self._text, self._at + ahead)
            end = match.end() if match else 0
            self._at = self._at if ahead else end
            if end < len(self._text):
                return self._text[end]
            if len(self._text) - self._at > LIMIT or not self._more():
                return ""

    def _more(self) -> bool:
        """Let go of what is before the place and read on; False at the end."""
        size = max(BLOCK_BYTES, len(self._text) - self._at)
        text = self._line_ends.decode(self._file.read(size))
        if text:
            self._first_line += self._text.count("\n", 0, self._at)
            self._text, self._at = self._text[self._at :] + text, 0
        return bool(text)

    def _broken(self, reason: str, *, at: int | None = None) -> InvalidAnnotations:
        line = self._first_line + self._text.count("\n", 0, self._at if at is None else at)
        place = Place(self._file.path, "element", self._element)
        return InvalidAnnotations(
            f"{place}: broken JSON in line {line}: {self._file.damage or reason}; mend the file, "
            "for what is behind the mistake cannot be read"
        )
