"""Items and facts as JSON, column by column: what the ledger holds of a batch.

A batch has hundreds of items of the same fields.  Names that stand once, and values that are looked
at a column at a time, make it a third as long and twice as fast to write and to check.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final, TypeVar

from msgspec import UNSET, UnsetType, ValidationError, convert, defstruct
from msgspec.structs import astuple, fields

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.schema import FIELDS, Facts, Item, Outcome

Part = TypeVar("Part", Item, Facts, Outcome)

_AT_REST: Final[dict[Any, dict[str, Any]]] = {
    kind: {field.name: field.default for field in fields(kind)} for kind in FIELDS
}
_COLUMNS: Final[dict[Any, Any]] = {
    kind: defstruct(
        f"{kind.__name__}Columns",
        [
            (field.name, list[hint])  # type: ignore[valid-type]
            if field.required
            else (field.name, list[hint] | UnsetType, UNSET)  # type: ignore[valid-type]
            for field, hint in zip(fields(kind), hints.values(), strict=True)
        ],
        forbid_unknown_fields=True,
    )
    for kind, hints in FIELDS.items()
}
"""What each field's column may hold; one that is at rest in all parts is left out."""


def encode(parts: Sequence[Item] | Sequence[Facts] | Sequence[Outcome]) -> dict[str, list[Any]]:
    """Return plain JSON values: a list a field, without the fields that are at rest in all."""
    if not parts:
        return {}
    at_rest = _AT_REST[type(parts[0])]
    columns = zip(*map(astuple, parts), strict=True)
    return {
        name: list(column)
        for (name, rest), column in zip(at_rest.items(), columns, strict=True)
        if column.count(rest) < len(column) and not _is_told(name, column)
    }


def _is_told(name: str, column: Sequence[Any]) -> bool:
    """Tell whether another column says the same: of one class only, there is nothing to list."""
    return name in {"labels", "label_ids"} and max(map(len, column)) < 2


def decode(kind: type[Part], columns: Any, *, count: int) -> tuple[Part, ...]:
    """Read what ``encode`` gave of ``count`` parts.

    Raises:
        InvalidMessage: Not an object of lists, lists of other lengths, an unknown or missing field,
            or a value of another type.
    """
    if columns == {} and count == 0:
        return ()
    try:
        told = convert(columns, _COLUMNS[kind])
        values = [
            repeat(rest, count) if (column := getattr(told, name)) is UNSET else column
            for name, rest in _AT_REST[kind].items()
        ]
        make: Any = kind
        return tuple(make(*row) for row in zip(*values, strict=True))
    except (ValidationError, TypeError, ValueError) as error:
        raise InvalidMessage(f"expected {count} {kind.__name__}: {error}") from error
