"""Items and facts as JSON, column by column: what the ledger holds of a batch.

A batch has hundreds of items of the same fields.  Names that stand once, and values that are looked
at a column at a time, make it a third as long and twice as fast to write and to check.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from msgspec.structs import fields

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.row import FIELDS, Facts, Item, Outcome, choices

Part = TypeVar("Part", Item, Facts, Outcome)

_AT_REST: Final[dict[Any, dict[str, Any]]] = {
    kind: {field.name: field.default for field in fields(kind)} for kind in FIELDS
}
_VALUES_OF: Final[dict[Any, Any]] = {kind: attrgetter(*kind.__struct_fields__) for kind in FIELDS}
_CHOICES: Final[dict[Any, dict[str, tuple[Any, ...]]]] = {
    kind: {name: choices(hint) for name, hint in hints.items()} for kind, hints in FIELDS.items()
}
"""What each field may be: types, and the words of a Literal."""


def encode(parts: Sequence[Item] | Sequence[Facts] | Sequence[Outcome]) -> dict[str, list[Any]]:
    """Return plain JSON values: a list a field, without the fields that are at rest in all."""
    if not parts:
        return {}
    at_rest = _AT_REST[type(parts[0])]
    columns = zip(*map(_VALUES_OF[type(parts[0])], parts), strict=True)
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
    if not isinstance(columns, dict):
        raise InvalidMessage(f"expected {kind.__name__} as an object, got {columns!r:.80}")
    for name, values in columns.items():
        if not isinstance(values, list) or len(values) != count:
            raise InvalidMessage(f"{kind.__name__}.{name} must be {count} values")
        _check(kind, name, values)
    make: Any = kind
    try:
        if not columns:
            return tuple(make() for _ in range(count))
        names = tuple(columns)
        rows = zip(*columns.values(), strict=True)
        return tuple(make(**dict(zip(names, row, strict=True))) for row in rows)
    except TypeError as error:
        raise InvalidMessage(f"expected the fields of {kind.__name__}: {error}") from error


def _check(kind: type, name: str, values: list[Any]) -> None:
    choices = _CHOICES[kind].get(name, ())
    if set(map(type, values)) <= set(choices):
        return
    for value in values:
        if not any(_matches(value, choice) for choice in choices):
            raise InvalidMessage(f"{kind.__name__}.{name} cannot be {value!r:.80}")


def _matches(value: object, choice: object) -> bool:
    if choice is float:
        return type(value) in {int, float}
    if get_origin(choice) is tuple:
        kind = get_args(choice)[0]
        return type(value) is list and all(type(each) is kind for each in value)
    if get_origin(choice) is Literal:
        return value in get_args(choice)
    return type(value) is choice or value == choice
