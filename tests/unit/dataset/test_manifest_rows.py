"""Rows made in columns equal those that are written value by value, whatever they hold."""

import os
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import asdict, replace

from shardmill.contract.quantity import printable
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest_rows import MANIFEST, Shared, items_table, manifest_table, table_of
from shardmill.dataset.work_table import without_rest

PLAIN = Item(path="a/b.mp4", size_bytes=7, mtime_ns=1)
ODD = os.fsdecode(b"a/\xff\x1b.mp4")
OK, FAILED = (
    Outcome(status="ok", seconds=0.5),
    Outcome(status="failed", error_message="x\x1b\udcff"),
)
VIDEO = Facts(kind="video", fps=29.97, has_audio=False, container="a\nb")


def by_hand(row: Row) -> dict[str, Any]:
    """A row as it was written before: each text printable, odd paths kept in bytes besides."""
    values = asdict(row.item) | asdict(row.facts) | asdict(row.outcome)
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = printable(value)
        elif isinstance(value, tuple):
            values[name] = [printable(v) if isinstance(v, str) else v for v in value]
    path = row.item.path
    return values | {"path_raw": None if path.isprintable() else os.fsencode(path)}


ITEMS = {
    "plain": PLAIN,
    "no UTF-8": replace(PLAIN, path=ODD),
    "a newline": replace(PLAIN, path="a\nb"),
    "letters": replace(PLAIN, path="ä/日本.mp4"),
    "no-break space": replace(PLAIN, path="a\u00a0b"),
    "delete": replace(PLAIN, path="a\x7fb"),
    "in an archive": replace(PLAIN, path=f"{ODD}.zip/a", archive=f"{ODD}.zip", archive_offset=4),
    "one label": replace(PLAIN, labels=("x\x1b",), label_ids=(3,)),
    "labels": replace(PLAIN, labels=("b", "a"), label_ids=(1, 0), extra='{"a":"\x7f"}'),
    "a part": replace(PLAIN, segment=1, segments=2, start_ns=-1, end_ns=4, split="val"),
    "a sequence": replace(PLAIN, pictures=2, pictures_hz=0.1, pictures_digest="0" * 32),
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_a_row_is_what_it_was_value_by_value(item):
    for outcome in (OK, FAILED):
        row = Row(item, VIDEO, outcome)
        assert table_of([row]).to_pylist() == [by_hand(row)]


def test_many_different_rows_together():
    facts = [Facts(), VIDEO, Facts(kind="image")]
    rows = [
        Row(item, facts[n % 3], (OK, FAILED)[n % 2]) for n, item in enumerate(ITEMS.values())
    ] * 2

    table = table_of(rows)

    assert table.schema == MANIFEST
    assert table.to_pylist() == list(map(by_hand, rows))
    table.validate(full=True)


@pytest.mark.parametrize("items", [[], list(ITEMS.values()), [PLAIN] * 3], ids=len)
def test_columns_at_rest_and_slices_change_nothing(items):
    shared = Shared([VIDEO] * len(items)), Shared([OK] * len(items))
    expected = [by_hand(Row(item, VIDEO, OK)) for item in items]
    whole = items_table(items)
    within = pa.concat_tables([items_table([replace(PLAIN, path=ODD)]), whole, whole])

    for rows in (whole, without_rest(whole) if items else whole, within.slice(1, len(items))):
        assert manifest_table(rows, *shared).to_pylist() == expected


def test_an_object_that_comes_again_is_held_once():
    other = Facts(kind="video")
    shared = Shared([VIDEO, other, VIDEO, VIDEO])

    assert (shared.distinct, shared.numbers, len(shared)) == ([VIDEO, other], [0, 1, 0, 0], 4)
    assert shared.column("fps", pa.float64()).to_pylist() == [29.97, None, 29.97, 29.97]
    assert shared.column("width", pa.int64()).to_pylist() == [None] * 4
