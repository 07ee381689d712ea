"""Rows of the manifest and of tables of work as columns, with their Arrow types.

Items come from a table, facts and outcomes are values that many rows share.

A batch of pictures has thousands of rows, but few different facts and one outcome.  Each different
value is held once, with the numbers of its rows, and becomes a column by one Arrow call.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shardmill.contract.quantity import printable
from shardmill.contract.schema import FIELDS, Facts, Item, Outcome, Row

_ARROW: Final = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_PATHS: Final = ("path", "archive")
"""Columns of ``ITEMS`` that may hold any bytes."""
_FIRST_OF: Final = ("label", "label_id")
"""Fields of ``Item`` that follow from ``labels`` and ``label_ids``."""


def _arrow_type(hint: Any) -> pa.DataType:
    hints = (hint,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
    first, *_ = (each for each in hints if each is not type(None))
    if get_origin(first) is tuple:
        return pa.list_(_ARROW[get_args(first)[0]])
    return _ARROW.get(first, pa.string())  # a Literal is text


MANIFEST: Final = pa.schema(
    [pa.field(name, _arrow_type(hint)) for hints in FIELDS.values() for name, hint in hints.items()]
    + [pa.field("path_raw", pa.binary())]
)
"""The manifest's columns; ``path_raw`` holds a path's bytes where ``path`` had to escape some."""
ITEMS: Final = pa.schema(
    [
        pa.field(name, pa.binary() if name in _PATHS else _arrow_type(hint))
        for name, hint in FIELDS[Item].items()
        if name not in _FIRST_OF
    ]
)
"""Columns of the items in a table of work."""
FACTS: Final = pa.schema(
    [pa.field(name, _arrow_type(hint)) for name, hint in FIELDS[Facts].items()]
)
"""Columns of their facts, once these are known."""

Value = TypeVar("Value", Facts, Outcome)

_PRINTABLE: Final = (0x20, 0x7E)
"""First and last byte of printable ASCII."""


class Shared(Generic[Value]):
    """Values of rows, in their order; an object that comes several times is held once."""

    def __init__(self, values: Iterable[Value]) -> None:
        values = list(values)
        identities = list(map(id, values))
        objects = dict(zip(identities, values, strict=True))
        number_of = {identity: number for number, identity in enumerate(objects)}
        self.distinct: list[Value] = list(objects.values())
        """The different objects, by their numbers."""
        self.numbers: list[int] = list(map(number_of.__getitem__, identities))
        """Number of each row's object."""

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return one field of the values as a column."""
        values = [getattr(value, name) for value in self.distinct]
        if values.count(None) == len(values):
            return pa.nulls(len(self.numbers), kind)
        if pa.types.is_string(kind):
            values = [None if value is None else printable(value) for value in values]
        column = pa.array(values, kind)
        return column if len(values) == 1 == len(self) else column.take(pa.array(self.numbers))


def manifest_table(items: pa.Table, facts: Shared[Facts], outcomes: Shared[Outcome]) -> pa.Table:
    """Return manifest rows, with the columns of ``MANIFEST``.

    Args:
        items: A row an item, with columns of ``ITEMS``.
        facts: What probing found, a value an item.
        outcomes: What became of it, a value an item.
    """
    count = items.num_rows
    columns = dict[str, pa.Array]()
    for name in items.column_names:
        if ITEMS.get_field_index(name) >= 0:
            columns[name] = (
                items[name].combine_chunks() if count else pa.array([], ITEMS.field(name).type)
            )
    columns |= _with_first_labels(columns, count)
    columns["path"], columns["path_raw"] = _path_columns(columns["path"])
    if "archive" in columns:
        columns["archive"] = _text_of(columns["archive"])
    for shared, kind in ((facts, Facts), (outcomes, Outcome)):
        columns |= {name: shared.column(name, MANIFEST.field(name).type) for name in FIELDS[kind]}
    arrays = [_or_at_rest(columns.get(field.name), field, count) for field in MANIFEST]
    return pa.table(arrays, schema=MANIFEST)


def _or_at_rest(column: pa.Array | None, field: pa.Field, count: int) -> pa.Array:
    if column is not None:
        return column
    if pa.types.is_list(field.type):
        return pa.array([[]], field.type).take(pa.array(np.zeros(count, np.int64)))
    if field.name in ("segment", "segments"):
        return pa.array(np.full(count, int(field.name == "segments"), np.int64))
    return pa.nulls(count, field.type)


def _with_first_labels(columns: dict[str, pa.Array], count: int) -> dict[str, pa.Array]:
    """Return the first of the labels of each row and its number, where there are any."""
    if not count:
        return {}
    return {
        name: _first_of(columns[several], MANIFEST.field(name).type)
        for name, several in (("label", "labels"), ("label_id", "label_ids"))
        if several in columns
    }


def _first_of(lists: pa.Array, kind: pa.DataType) -> pa.Array:
    if pc.all(pc.equal(pc.list_value_length(lists), 1)).as_py():
        return pc.list_flatten(lists)
    return pa.array([values[0] if values else None for values in lists.to_pylist()], kind)


def _path_columns(paths: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return paths as printable text, and the bytes of those that had to be escaped."""
    if _is_plain(paths):
        return paths.cast(pa.string()), pa.nulls(len(paths), pa.binary())
    texts = [os.fsdecode(path) for path in paths.to_pylist()]
    raw = [None if text.isprintable() else os.fsencode(text) for text in texts]
    return pa.array(map(printable, texts), pa.string()), pa.array(raw, pa.binary())


def _is_plain(paths: pa.Array) -> bool:
    """Tell whether all bytes are printable ASCII."""
    if not len(paths):
        return True
    offsets = np.frombuffer(paths.buffers()[1], np.int32)[paths.offset :][: len(paths) + 1]
    data = np.frombuffer(paths.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return not data.size or bool(_PRINTABLE[0] <= data.min() and data.max() <= _PRINTABLE[1])


def _text_of(paths: pa.Array) -> pa.Array:
    texts = (None if path is None else printable(os.fsdecode(path)) for path in paths.to_pylist())
    return pa.array(texts, pa.string())


def items_table(items: Sequence[Item]) -> pa.Table:
    """Return items as columns of ``ITEMS``."""
    arrays = []
    for field in ITEMS:
        values: list[Any] = [getattr(item, field.name) for item in items]
        if pa.types.is_binary(field.type):
            values = [None if value is None else os.fsencode(value) for value in values]
        elif pa.types.is_string(field.type):
            values = [None if value is None else printable(value) for value in values]
        elif field.name == "labels":
            values = [list(map(printable, value)) for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=ITEMS)


def facts_table(facts: Shared[Facts]) -> pa.Table:
    """Return facts as columns of ``FACTS``."""
    return pa.table([facts.column(field.name, field.type) for field in FACTS], schema=FACTS)


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Return rows that are values as manifest rows."""
    rows = list(rows)
    return manifest_table(
        items_table([row.item for row in rows]),
        Shared(row.facts for row in rows),
        Shared(row.outcome for row in rows),
    )
