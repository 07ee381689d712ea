"""The classes of a data set, as its own list names them: what a label may be."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from shardmill.annotations.annotation import Faults, Place, Unfit, shown
from shardmill.annotations.elements import KEY, VALUE, documented
from shardmill.annotations.form import Form
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.options.labels import MAX_CLASSES
from shardmill.contract.quantity import printable
from shardmill.inputs.text_file import StrayByte, TextFile, utf8


@dataclass(frozen=True, slots=True)
class Classes:
    """Labels, and what else an annotation file may write for them."""

    codes: dict[str, str] = field(default_factory=dict)
    """Code (number, synset id) to label."""
    labels: tuple[str, ...] = ()
    """All labels, each once, in the list's order."""
    _known: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.labels))

    def label(self, text: str) -> str:
        """Return the label that a code, or the label itself, means; the code first.

        Raises:
            Unfit: There is no such class.
        """
        if text in self.codes:
            return self.codes[text]
        if text in self._known:
            return text
        raise Unfit("label", f"expected one of {len(self.labels):,} classes, got {shown(text)}")


def read_classes(path: str, order: Literal["label", "code label"], faults: Faults) -> Classes:
    """Read a list of classes: a JSON object, label to code, or lines of text.

    Where several codes share their words (ImageNet has two kinds of ``crane``), each gets its code
    behind them in brackets: a label stands for one class only.

    Args:
        path: The file; JSON if its name ends in ``.json``.
        order: What a line of text holds; the code ends at the first blank.
        faults: Counts the names of classes with blanks at their ends, which are stripped.

    Raises:
        InvalidAnnotations: It cannot be read, is no such list, or names a class twice.
        EnvironmentFault: Reading fails on the way.
    """
    pairs: list[tuple[str, str]] = []
    with TextFile(path, InvalidAnnotations) as file:
        for place, code, name in _pairs(file, order):
            label = faults.stripped(name, "class name")
            if not label:
                raise InvalidAnnotations(
                    f"expected a {order} in {path!r}, got {shown(code)}: mend the list of classes"
                )
            try:
                pairs.append((printable(utf8(code)), printable(utf8(label))))
            except StrayByte as error:
                raise InvalidAnnotations(f"{place}: {error}") from error
            if len(pairs) > MAX_CLASSES:
                raise InvalidAnnotations(
                    f"expected at most {MAX_CLASSES:,} classes, got more in {path!r}: "
                    "give the list of classes, not the annotations"
                )
        if file.damage:
            raise InvalidAnnotations(f"expected a list of classes in {path!r}: {file.damage}")
    return _unambiguous(path, pairs)


def _pairs(file: TextFile, order: str) -> Iterator[tuple[Place, str, str]]:
    """Yield place, code and name of each class; the code is empty where there is none."""
    if file.path.lower().removesuffix(".gz").endswith(".json"):
        for place, record in documented(file, Form(), Faults(strict=True)):
            code = record.get(VALUE)
            yield place, ("" if code is None else str(code)), str(record.get(KEY, ""))
        return
    for number, text in file.lines():
        if text is None:
            raise InvalidAnnotations(
                f"expected a list of classes in {file.path!r}, got a line {number} without end: "
                "give another file"
            )
        place, line = Place(file.path, "line", number), text.rstrip("\r\n")
        if order == "label" and line.strip():
            yield place, "", line
        elif line.strip():
            code, *rest = line.split(maxsplit=1)
            yield place, code, "".join(rest)


def _unambiguous(path: str, pairs: list[tuple[str, str]]) -> Classes:
    shared = {label for label, count in Counter(label for _, label in pairs).items() if count > 1}
    named = [(code, f"{label} ({code})" if label in shared else label) for code, label in pairs]
    labels = tuple(label for _, label in named)
    codes = [code for code, _ in named if code]
    for what, values in (("label", labels), ("code", codes)):
        if len(set(values)) < len(values):
            twice = next(value for value, count in Counter(values).items() if count > 1)
            raise InvalidAnnotations(
                f"expected each {what} once in {path!r}, got {shown(twice)} twice: "
                "mend the list of classes"
            )
    return Classes({code: label for code, label in named if code}, labels)
