"""A window on a JSON document: decodes the value that stands there, or finds the way past it."""

import io
import json
import re
from decimal import Decimal
from typing import Any, Final

from shardmill.annotations.annotation import Unfit
from shardmill.inputs.text_file import BLOCK_BYTES, LIMIT, TextFile

LONGEST_TOKEN: Final = 16
"""A mistake so far from the window's end is none of a token that the window cuts: ``-Infinity``."""
DEEPEST: Final = 100_000
"""Brackets within brackets that are followed on the way past a value."""
OVERLAP: Final = 4096
"""The longest separator between two elements that is found again after a mistake."""
SPACE: Final = re.compile(r"[ \t\n\r]*")
OUTSIDE: Final = re.compile(r'["\[\]{},]')
IN_TEXT: Final = re.compile(r'["\\\n]')
NEXT: Final = {
    "]": re.compile(r"\}\s*,\s*(?=\{)"),
    "}": re.compile(r'[}\]]\s*,\s*(?="(?:[^"\\\n]|\\.){0,1000}"\s*:)'),
}
"""Closing bracket to what stands before a further element: of objects, of members."""
DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: None)
"""Numbers keep their digits; NaN and Infinity, which JSON does not know, are no value."""


class Window:
    """The part of a document that is in memory, and the place in it.

    Args:
        file: The document.
    """

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._first_line = 1
        self.text = ""
        self.at = 0
        """The place: an index into ``text``."""
        self.stuck = 0
        """How far behind the place the last mistake is."""

    @property
    def line(self) -> int:
        """The line of the last mistake, or of the place where there was none."""
        return self._first_line + self.text.count("\n", 0, self.at + self.stuck)

    def more(self) -> bool:
        """Let go of what is before the place and read on; False at the end."""
        text = self._line_ends.decode(self._file.read(max(BLOCK_BYTES, len(self.text) - self.at)))
        if not text:
            return False
        self._first_line += self.text.count("\n", 0, self.at)
        self.text = self.text[self.at :] + text
        self.at = 0
        return True

    def peek(self) -> str:
        """Move to the next character that is no space and return it; empty at the end."""
        while True:
            match = SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def peek_inside(self) -> str:
        """Return the first character inside the bracket here that is no space."""
        while True:
            match = SPACE.match(self.text, self.at + 1)
            if match and match.end() < len(self.text):
                return self.text[match.end()]
            if len(self.text) - self.at > LIMIT or not self.more():
                return ""

    def value(self) -> Any:
        """Decode the value that begins here and move behind it.

        Raises:
            Unfit: It is broken, or longer than ``LIMIT``; the place stays.
        """
        self.stuck = 0
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if not self._is_settled(error):
                    if len(self.text) - self.at > LIMIT:
                        raise self._too_long() from error
                    if self.more():
                        continue
                self.stuck = error.pos - self.at
                raise Unfit("json", f"broken JSON in line {self.line}: {error.msg}") from error
            except (ValueError, ArithmeticError, RecursionError) as error:
                reason = f"expected plain JSON, got what is beyond all use: {error}"
                raise Unfit("json", reason) from error
            if end == len(self.text) and end - self.at <= LIMIT and self.more():
                continue  # a number may go on
            if end - self.at > LIMIT:
                raise self._too_long()
            self.at = end
            return value

    def _is_settled(self, error: json.JSONDecodeError) -> bool:
        """Tell whether more text cannot mend the mistake."""
        cut_off = error.msg.startswith("Unterminated string")
        return not cut_off and error.pos < len(self.text) - LONGEST_TOKEN

    @staticmethod
    def _too_long() -> Unfit:
        return Unfit(
            "long",
            f"expected at most {LIMIT:,} characters, got a longer element: "
            "if the annotations are inside it, name what leads to them",
        )

    def past_value(self, close: str, reach: int | None) -> bool:
        """Move to the comma or bracket that ends what stands here.

        Args:
            close: The bracket that ends what is around it.
            reach: Look so many characters ahead at most, without moving; None: to the end.

        Returns:
            False where brackets do not match, a line ends within quotes, or nothing was found.
        """
        track = _Track(close)
        at = self.at
        while True:
            match = (IN_TEXT if track.in_text else OUTSIDE).search(self.text, at)
            if match is None:
                escaped = max(at - len(self.text), 0)
                if reach is None:
                    self.at = len(self.text)
                elif len(self.text) - self.at > reach:
                    return False
                ahead = len(self.text) - self.at + escaped
                if not self.more():
                    return False
                at = self.at + ahead
                continue
            if reach is not None and match.start() - self.at > reach:
                return False
            at = match.end() + (match[0] == "\\")
            ended = track.passes(match[0])
            if ended is not None:
                self.at = match.start() if ended else self.at
                return ended

    def next_start(self, close: str) -> bool:
        """Move to where, behind the last mistake, a further element seems to begin; else the end.

        Args:
            close: The bracket that ends what is around it.
        """
        self.at, self.stuck = min(self.at + self.stuck, len(self.text)), 0
        while (match := NEXT[close].search(self.text, self.at)) is None:
            self.at = max(self.at, len(self.text) - OVERLAP)
            if not self.more():
                self.at = len(self.text)
                return False
        self.at = match.end()
        return True


class _Track:
    """Follows quotes and brackets past one value."""

    def __init__(self, close: str) -> None:
        self._close = close
        self._expected: list[str] = []
        self.in_text = False

    def passes(self, char: str) -> bool | None:
        """Return True if the value has ended before ``char``, False if that cannot stand there."""
        if char == '"':
            self.in_text = not self.in_text
            return None
        if self.in_text:
            return False if char == "\n" else None
        if char in "[{":
            self._expected.append("]" if char == "[" else "}")
            return False if len(self._expected) > DEEPEST else None
        if self._expected:
            return None if char == "," or char == self._expected.pop() else False
        return char in {",", self._close}
