"""JSON documents of any size, element by element, in constant memory.

The json module decodes one element at a time out of a window on the file.  An element that is
broken or too long is stepped over and the next one is found again, which an event parser (ijson,
yajl) cannot do: it ends at the first error, and an element as long as the file goes into memory.
"""

from collections.abc import Iterator
from typing import Any, Final

from shardmill.annotations.annotation import Faults, Place, Unfit, shown
from shardmill.annotations.delimited import TOO_LONG, Record
from shardmill.annotations.form import Form
from shardmill.annotations.window import DECODER, Window
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import LIMIT, TextFile

KEY: Final = "key"
"""The column that holds an object's name in the object around it."""
VALUE: Final = "value"
"""The column that holds an element that is no object."""
NAMED: Final = 20
"""Members that a refusal names."""
NEAREST: Final = 256
"""Characters within which the end of a broken element is sought at least."""


def documented(file: TextFile, form: Form, faults: Faults) -> Iterator[Record]:
    """Yield the records of a JSON document.

    An array gives one record an element.  An object gives one a member, or one an element of a
    member that is an array of objects, with the member's name as column ``key``.

    Args:
        file: The file.
        form: Says what leads to the annotations.
        faults: Takes what is left out.

    Raises:
        InvalidAnnotations: What should lead to the annotations does not, or leads to a scalar.
    """
    window = Window(file)
    for name in form.inside:
        _enter(window, name, file.path)
    walk = _Walk(window, file.path, faults)
    opening = window.peek()
    if opening == "[":
        yield from walk.array({})
    elif opening == "{":
        yield from walk.members()
    elif opening or form.inside:
        raise InvalidAnnotations(
            f"expected an array or an object of annotations in {file.path!r}, "
            f"got {shown(window.text[window.at :])}"
        )
    if not form.inside and window.peek():
        walk.fault(
            "expected the end of the document, got more: "
            "if every line is a document, say that the format is jsonl"
        )


def line_by_line(file: TextFile, faults: Faults) -> Iterator[Record]:
    """Yield the records of JSON Lines; blank lines are none.

    Args:
        file: The file.
        faults: Takes what is left out.
    """
    for number, text in file.lines():
        place = Place(file.path, "line", number)
        if text is None:
            faults.add(place, TOO_LONG.kind, TOO_LONG.reason)
        elif bare := text.strip(" \t\r\n"):
            try:
                yield place, _columns(DECODER.decode(bare))
            except (ValueError, ArithmeticError, RecursionError) as error:
                faults.add(place, "json", f"broken JSON: {error}")


def _columns(value: Any) -> dict[str, object]:
    return value if isinstance(value, dict) else {VALUE: value}


def _enter(window: Window, name: str, path: str) -> None:
    """Move to the value of a member of the object here."""
    passed: list[str] = []
    char, wanted = window.peek(), "{"
    while char == wanted:
        window.at += 1
        if window.peek() != '"':
            break
        try:
            found = window.value()
        except Unfit as error:
            raise InvalidAnnotations(f"expected a JSON document in {path!r}: {error}") from error
        if window.peek() != ":":
            break
        window.at += 1
        if found == name:
            return
        if len(passed) < NAMED:
            passed.append(shown(found))
        window.past_value("}", reach=None)
        char, wanted = window.peek(), ","
    raise InvalidAnnotations(
        f"expected a member {name!r} in {path!r}, got "
        f"{', '.join(passed) or 'none'}: "
        "name what leads to the annotations, from the top"
    )


class _Walk:
    """Goes through arrays and objects, counts elements, steps over what is broken."""

    def __init__(self, window: Window, path: str, faults: Faults) -> None:
        self._window = window
        self._path = path
        self._faults = faults
        self._number = 0
        self._resumed = False
        """The place is at an element that was found again, not behind the last."""
        self._lost = False
        """No element was found again."""
        self._reach = LIMIT
        """How far to look for the end of a broken element: less after each vain look, so that a
        document of nothing but open brackets does not take a look of this length for each."""

    def fault(self, reason: str) -> None:
        """Tell of a mistake at the last element, or behind it."""
        self._faults.add(Place(self._path, "element", self._number), "json", reason)

    def array(self, carried: dict[str, object]) -> Iterator[Record]:
        """Yield the elements of the array here, each with the columns carried along."""
        for _ in self._starts("]"):
            for value in self._value("]"):
                yield Place(self._path, "element", self._number), carried | _columns(value)

    def members(self) -> Iterator[Record]:
        """Yield the members of the object here."""
        window = self._window
        for _ in self._starts("}"):
            for key in self._key():
                if window.peek() == "[" and window.peek_inside() == "{":
                    yield from self.array({KEY: key})
                    continue
                for value in self._value("}"):
                    place = Place(self._path, "element", self._number)
                    yield place, {KEY: key} | _columns(value)

    def _starts(self, close: str) -> Iterator[None]:
        """Go from element to element; whoever asks moves behind each before the next."""
        window = self._window
        window.at += 1
        while (char := window.peek()) != close:
            if not char and not self._lost:
                self.fault(f"expected {close} behind it, got the end of the file: it is cut off")
            if not char:
                return
            yield
            char = window.peek()
            if char == ",":
                window.at += 1
            elif char and char != close and not self._resumed:
                self.fault(f"expected a comma or {close} behind it, got {char!r}")
            self._resumed = False
        window.at += 1

    def _value(self, close: str) -> Iterator[Any]:
        """Yield the value here, or nothing if it had to be left out."""
        self._number += 1
        self._window.peek()
        try:
            value = self._window.value()
        except Unfit as error:
            self._leave_out(error, close)
        else:
            yield value

    def _key(self) -> Iterator[str]:
        """Yield a member's name, or nothing if the member had to be left out."""
        try:
            key = self._name()
        except Unfit as error:
            self._number += 1
            self._leave_out(error, "}")
        else:
            yield key

    def _name(self) -> str:
        """Return the name here and move behind its colon."""
        window = self._window
        if window.peek() != '"':
            raise Unfit("json", f"expected a name in quotes in line {window.line}")
        name: str = window.value()
        if window.peek() != ":":
            raise Unfit("json", f"expected a colon in line {window.line}")
        window.at += 1
        return name

    def _leave_out(self, error: Unfit, close: str) -> None:
        """Move to the end of a broken element, or to where the next one seems to begin."""
        window, reason = self._window, error.reason
        if window.past_value(close, None if error.kind == "long" else self._reach):
            self._reach = LIMIT
        else:
            self._reach = max(self._reach // 2, NEAREST)
            self._resumed = window.next_start(close)
            self._lost = not self._resumed
            until = f"up to line {window.line}" if self._resumed else "to the end of the file"
            reason += f"; what follows is left out {until}"
        window.stuck = 0
        self._faults.add(Place(self._path, "element", self._number), error.kind, reason)
