"""The path of a file, put together from columns: ``{label}/{youtube_id}_{time_start:06d}.mp4``.

Not ``str.format``, which would let a template walk through attributes and ask for a width of
gigabytes.  Known are ``{column}``, ``{column:d}`` and ``{column:06d}`` (a whole number, filled up
with zeros), ``{{`` and ``}}``; nothing else.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from shardmill.annotations.annotation import Unfit, shown
from shardmill.contract.errors import UsageError

FIELD: Final = re.compile(
    r"(?P<brace>\{\{|\}\})|\{(?P<column>[^{}:]+)(?P<whole>:(?:0(?P<width>[1-9]\d?))?d)?\}|[{}]"
)
WHOLE: Final = re.compile(r"(-?\d{1,18})(?:\.0*)?", re.ASCII)
LONGEST: Final = 4096
"""Characters of one value; no path may be longer."""


class Template:
    """A parsed template.

    Args:
        text: The template.

    Raises:
        UsageError: It has a brace or a format that is not known.
    """

    def __init__(self, text: str) -> None:
        self._parts: list[str | tuple[str, int | None]] = []
        at = 0
        for match in FIELD.finditer(text):
            self._parts.append(text[at : match.start()])
            at = match.end()
            if match["brace"]:
                self._parts.append(match["brace"][0])
            elif match["column"]:
                width = int(match["width"] or 0) if match["whole"] else None
                self._parts.append((match["column"], width))
            else:
                raise UsageError(
                    f"expected columns in braces, as {{label}}/{{id}}.mp4 or {{start:06d}}, "
                    f"got {text!r}: write {{{{ or }}}} for a brace"
                )
        self._parts.append(text[at:])
        if not self.columns:
            raise UsageError(f"expected a column in braces, as {{id}}.mp4, got {text!r}")

    @property
    def columns(self) -> set[str]:
        """The columns that it names."""
        return {part[0] for part in self._parts if isinstance(part, tuple)}

    def fill(self, value_of: Callable[[str], object]) -> str:
        """Return the text with each column's value in its place.

        Raises:
            Unfit: A value is missing, too long, no text or number, or not whole where it must be.
        """
        return "".join(
            part if isinstance(part, str) else _filled(value_of(part[0]), *part)
            for part in self._parts
        )


def _filled(value: object, column: str, width: int | None) -> str:
    if value is None or value == "":
        raise Unfit("columns", f"expected a value in column {column!r}, got none")
    if not isinstance(value, str | Decimal) and type(value) is not int:
        raise Unfit("path", f"expected text or a number in column {column!r}, got {shown(value)}")
    text = str(value)
    if len(text) > LONGEST:
        raise Unfit("path", f"expected a short text in column {column!r}, got {shown(text)}")
    if width is None:
        return text
    match = WHOLE.fullmatch(text)
    if match is None:
        raise Unfit("path", f"expected a whole number in column {column!r}, got {shown(text)}")
    return f"{int(match[1]):0{width}d}" if width else str(int(match[1]))
