"""One statement about one file, where it stands, and what was wrong with the others.

Annotation files come from outside and are long.  A bad line costs itself alone: it is counted,
kept up to a limit with its place and the reason, and the rest goes on.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.quantity import printable

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Unit = Literal["line", "element"]
Kind = Literal[
    "columns", "path", "time", "label", "json", "quotes", "long", "split", "duplicate", "cut"
]
KEPT: Final = 100
"""Bad lines that are kept with their reasons; the others are only counted."""
SHOWN: Final = 60
"""Characters of a bad value that a reason quotes."""


class Place(Struct, frozen=True):
    """Where in an annotation file something stands."""

    file: str
    """Path of the annotation file, as given."""
    unit: Unit
    """``element`` in a JSON document, else ``line``."""
    number: int
    """From 1.  A header is line 1; a record of several lines is at its first."""

    def __str__(self) -> str:
        return f"{printable(self.file)}, {self.unit} {self.number}"


class Annotation(Struct, frozen=True, kw_only=True):
    """What a data set says of one file, or of one time range of it."""

    source: str
    """Path or key of the file as written, or as the template made it; bytes that are no UTF-8 as
    surrogates (``os.fsdecode``)."""
    labels: tuple[str, ...] = ()
    """Classes as printable text, in the order written, each once; none if unlabelled."""
    start_ns: int | None = None
    """Start of the range, ns from the first frame; None if not given."""
    end_ns: int | None = None
    """End of the range (exclusive), ns from the first frame; None if not given."""
    split: str | None = None
    """``train``, ``val``, ``test`` or what else the data set says; None if it does not."""
    extra: Mapping[str, Json] = field(default_factory=dict)
    """The other columns as JSON values, fit for UTF-8."""
    place: Place
    """Where it stands."""


class Fault(Struct, frozen=True):
    """A line or an element that is left out, and why."""

    place: Place
    kind: Kind
    """What it is about, for counting."""
    reason: str
    """What was expected and what was got."""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class Unfit(ValueError):
    """A record cannot be used; becomes a ``Fault`` and never leaves this package."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason


class Faults:
    """Counts what was left out, keeps the first of it, and counts the blanks that were stripped.

    Args:
        strict: The first fault ends the reading.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.counts: Counter[Kind] = Counter()
        self.kept: list[Fault] = []
        self.blanks: Counter[str] = Counter()
        """Texts with blanks at their ends, by what they are: ``label``, ``split`` and so on."""

    @property
    def count(self) -> int:
        """How many lines or elements were left out."""
        return self.counts.total()

    def stripped(self, text: str, what: str) -> str:
        """Return a text without the blanks at its ends, and count it if it had any."""
        bare = text.strip()
        if bare != text:
            self.blanks[what] += 1
        return bare

    def add(self, place: Place, kind: Kind, reason: str) -> None:
        """Take in one fault.

        Raises:
            InvalidAnnotations: No fault is allowed.
        """
        fault = Fault(place, kind, reason)
        if self._strict:
            raise InvalidAnnotations(
                f"{fault}; mend it, or read without strict to leave such {place.unit}s out"
            )
        self.counts[kind] += 1
        if len(self.kept) < KEPT:
            self.kept.append(fault)


def shown(value: object) -> str:
    """Return a value from outside as a reason quotes it: printable and short."""
    text = str(value)
    return printable(repr(text[:SHOWN])) + ("..." if len(text) > SHOWN else "")
