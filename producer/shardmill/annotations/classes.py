"""The classes of a data set, as its own list names them: what a label may be."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from shardmill.annotations.documents import KEY, VALUE, documented
from shardmill.annotations.presets import Columns, Preset
from shardmill.annotations.records import Faults, Place, Unfit, shown
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.options.labels import MAX_CLASSES
from shardmill.contract.quantity import printable
from shardmill.inputs.text_file import StrayByte, TextFile, utf8

LABEL_TO_CODE = Preset(columns=Columns(path=KEY, label=VALUE))


class Classes(Struct, frozen=True):
    """Labels, and what else an annotation file may write for them."""

    codes: dict[str, str]
    """Code (number, synset id) to label."""
    known: dict[str, None]
    """All labels, in the list's order."""

    def label(self, text: str) -> str:
        """Label that a code, or the label itself, means; the code first.

        Raises:
            Unfit: There is no such class.
        """
        label = self.codes.get(text, text)
        if label not in self.known:
            raise Unfit("label", f"expected one of {len(self.known):,} classes, got {shown(text)}")
        return label


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
            label = name.strip()
            if not label:
                raise InvalidAnnotations(
                    f"expected a {order} in {path!r}, got {shown(code)}: mend the list of classes"
                )
            faults.blanks["class name"] += label != name
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
    shared = Counter(label for _, label in pairs)
    named = [(code, f"{name} ({code})" if shared[name] > 1 else name) for code, name in pairs]
    _check_once(path, "label", [label for _, label in named])
    _check_once(path, "code", [code for code, _ in named if code])
    codes = {code: label for code, label in named if code}
    return Classes(codes, dict.fromkeys(label for _, label in named))


def _pairs(file: TextFile, order: str) -> Iterator[tuple[Place, str, str]]:
    """Place, code and name of each class; the code is empty where there is none."""
    if file.path.lower().removesuffix(".gz").endswith(".json"):
        for batch in documented(file, LABEL_TO_CODE):
            columns = batch.numbers, batch.column(VALUE), batch.column(KEY)
            for number, code, name in zip(*columns, strict=True):
                written = "" if code is None else str(code)
                yield Place(file.path, "element", number), written, str(name or "")
        return
    for number, text in file.lines():
        if text is None:
            raise InvalidAnnotations(
                f"expected a list of classes in {file.path!r}, got a line {number} without end: "
                "give another file"
            )
        line = text.rstrip("\r\n")
        if line.strip():
            words = ["", line] if order == "label" else line.split(maxsplit=1)
            yield Place(file.path, "line", number), words[0], "".join(words[1:])


def _check_once(path: str, what: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        twice = next(value for value, count in Counter(values).items() if count > 1)
        raise InvalidAnnotations(
            f"expected each {what} once in {path!r}, got {shown(twice)} twice: "
            "mend the list of classes"
        )
