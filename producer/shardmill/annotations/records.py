"""Records of annotation files, in batches of columns, and what is wrong with them.

Annotation files come from outside and are long.  A bad line costs itself alone: it is counted, the
first ones are kept with their place and the reason, and reading goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeVar

from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.quantity import printable
from shardmill.inputs.text_file import LIMIT, StrayByte

Kind = Literal[
    "columns", "path", "time", "label", "json", "quotes", "long", "split", "duplicate", "cut"
]
BATCH_ROWS: Final = 1 << 14
BATCH_CHARACTERS: Final = 1 << 20
"""Characters of a file after which a batch ends."""
SHOWN_CHARACTERS: Final = 60
"""Characters of a bad value that a reason quotes."""

Record = TypeVar("Record")
Value = TypeVar("Value")
Result = TypeVar("Result")
ColumnValues = Mapping[str, Sequence[object]]


class Unfit(ValueError):
    """A record cannot be used; becomes a ``Fault`` and never leaves this package."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind: Kind = kind


TOO_LONG: Final = Unfit("long", f"expected at most {LIMIT:,} characters, got a longer line")


@dataclass
class Batch:
    """Some records of a file, in its order."""

    numbers: list[int]
    """Number of each record's line or element in the file, from 1."""
    columns: ColumnValues
    """Values of the columns that have a meaning; None for none."""
    others: Sequence[Mapping[str, object]]
    """The other columns of each record."""
    faults: dict[int, Unfit | StrayByte]
    """Number to the first mistake there, for lines that are records and for others."""

    def column(self, name: str | None) -> Sequence[object]:
        """Values of a column; None where there is none."""
        values = None if name is None else self.columns.get(name)
        return values or [None] * len(self.numbers)

    def converted(
        self, values: Sequence[Value], convert: Callable[[Value], Result], default: Result
    ) -> list[Result]:
        """Each record's value converted, equal texts and the same object once.

        A record whose value cannot be converted is a fault, and has the ``default``.
        """
        keys: list[object] = [value if type(value) is str else id(value) for value in values]
        results: dict[object, Result] = {}
        errors: dict[object, Unfit | StrayByte] = {}
        for key, value in dict(zip(keys, values, strict=True)).items():
            try:
                results[key] = convert(value)
            except (Unfit, StrayByte) as error:
                results[key], errors[key] = default, error
        if errors:
            for number, key in zip(self.numbers, keys, strict=True):
                if key in errors:
                    self.faults.setdefault(number, errors[key])
        return [results[key] for key in keys]


def batched(
    entries: Iterable[tuple[int, Record | Unfit, int]],
    divide: Callable[[list[Record]], tuple[ColumnValues, Sequence[Mapping[str, object]]]],
) -> Iterator[Batch]:
    """Records in batches, each of bounded size.

    Args:
        entries: Number, record or what is wrong with it, and characters of each line or element.
        divide: Divides records into the columns that have a meaning and the others.
    """
    numbers: list[int] = []
    records: list[Record] = []
    faults: dict[int, Unfit | StrayByte] = {}
    characters = 0
    for number, record, size in entries:
        if isinstance(record, Unfit):
            faults[number] = record
        else:
            numbers.append(number)
            records.append(record)
        characters += size
        if characters > BATCH_CHARACTERS or len(numbers) + len(faults) == BATCH_ROWS:
            yield Batch(numbers, *divide(records), faults)
            numbers, records, faults, characters = [], [], {}, 0
    yield Batch(numbers, *divide(records), faults)


class Place(NamedTuple):
    """Where in an annotation file something stands."""

    file: str
    unit: Literal["line", "element"]
    """``element`` in a JSON document, else ``line``."""
    number: int
    """From 1.  A header is line 1; a record of several lines is at its first."""

    def __str__(self) -> str:
        return f"{printable(self.file)}, {self.unit} {self.number}"


class Fault(NamedTuple):
    """A line or an element that is left out, and why."""

    place: Place
    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class Faults:
    """What is left out: all of it counted, the first of it named.

    Args:
        strict: The first fault ends the reading.
        keep: Faults that are kept with their reasons.
    """

    def __init__(self, *, strict: bool = False, keep: int = 3) -> None:
        self._strict = strict
        self.keep = keep
        self.counts: Counter[Kind] = Counter()
        self.kept: list[Fault] = []
        self.blanks: Counter[str] = Counter()
        """Texts whose blanks at the ends are stripped, by what they are: ``label`` and so on."""

    def add(self, fault: Fault) -> None:
        """Count a fault, and keep it if it is one of the first.

        Raises:
            InvalidAnnotations: No fault is allowed.
        """
        if self._strict:
            unit = fault.place.unit
            raise InvalidAnnotations(
                f"{fault}; mend it, or read without strict to leave such {unit}s out"
            )
        self.counts[fault.kind] += 1
        if len(self.kept) < self.keep:
            self.kept.append(fault)


def shown(value: object) -> str:
    """A value from outside as a reason quotes it: printable and short."""
    text = str(value)
    more = "..." if len(text) > SHOWN_CHARACTERS else ""
    return printable(repr(text[:SHOWN_CHARACTERS])) + more
