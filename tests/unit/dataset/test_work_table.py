"""A table of work is the one that was written under its name, or it is refused."""

import os
from collections.abc import Callable

import pyarrow as pa
import pytest
from msgspec.structs import replace

from out_dir import crc32c
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.schema import Facts, Item
from shardmill.dataset.manifest_rows import Shared, facts_table, items_table
from shardmill.dataset.work_table import (
    TableReader,
    batch_of,
    content_name,
    digest,
    facts_in,
    items_in,
    probe_seconds,
    runs_of,
    table_path,
    with_probe_seconds,
    without_rest,
    write_table,
)

ODD = os.fsdecode(b"a/\xff\n\xc3\xa9.mp4")
PLAIN = Item(path="a/b.mp4", size_bytes=7, mtime_ns=-3)
SEQUENCE = {"pictures": 3, "pictures_hz": 29.97, "pictures_digest": "0" * 32}
ITEMS = [
    PLAIN,
    Item(path=ODD, size_bytes=0, mtime_ns=2**62, labels=("x", "y"), label_ids=(1, 0), extra="{}"),
    replace(PLAIN, segment=1, segments=3, start_ns=-5, end_ns=9, split="val"),
    replace(PLAIN, clip_start_ns=0, clip_end_ns=10**9),
    Item("x.zip/a.mp4", 4, 1, archive="x.zip", archive_offset=70, packed_bytes=3),
    Item("v/%d.png", 9, 1, **SEQUENCE),
]


def written(folder, items: list[Item]) -> str:
    return write_table(str(folder), "inputs-0", without_rest(items_table(items)))


def read(folder, name: str, first: int = 0, end: int = 1) -> pa.Table:
    return TableReader().read(str(folder), name, first, end)


@pytest.mark.parametrize("items", [ITEMS, ITEMS[:1], ITEMS[5:], ITEMS[1:2] * 3], ids=len)
def test_items_come_back_as_they_were(tmp_path, items):
    name = written(tmp_path, items)

    for first in range(len(items)):
        rows = read(tmp_path, name, first, len(items))
        assert items_in(rows) == items[first:]


def test_facts_come_back_beside_their_items(tmp_path):
    facts = [Facts(kind="image", width=3), Facts(kind="video", fps=29.97, has_audio=False)] * 3
    table = items_table(ITEMS)
    for name in facts_table(Shared(facts)).column_names:
        table = table.append_column(name, facts_table(Shared(facts))[name])
    name = write_table(str(tmp_path), "probed-1", with_probe_seconds(without_rest(table), 0.25))

    rows = read(tmp_path, name, 0, 6)

    assert (items_in(rows), facts_in(rows)) == (ITEMS, facts)
    assert probe_seconds(rows) == 0.25
    assert probe_seconds(items_table(ITEMS)) == 0


def test_the_name_ends_in_a_checksum_of_the_file(tmp_path):
    name = written(tmp_path, ITEMS)

    data = (tmp_path / f"{name}.arrow").read_bytes()
    assert name == f"inputs-0-{crc32c(data):08x}"
    assert written(tmp_path, ITEMS) == name
    assert written(tmp_path, ITEMS[1:]) != name


def cut(data: bytes) -> bytes:
    return data[:-1]


def alter(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


def longer(data: bytes) -> bytes:
    return data + b"\0"


@pytest.mark.parametrize("damage", [cut, alter, longer, lambda data: b""])
def test_an_altered_table_is_refused(tmp_path, damage: Callable[[bytes], bytes]):
    name = written(tmp_path, ITEMS)
    path = tmp_path / f"{name}.arrow"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DatasetDamaged, match="is not the table that was written there: run"):
        read(tmp_path, name)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(DatasetDamaged, match=r"inputs-0-00000000\.arrow is gone: run the same"):
        read(tmp_path, "inputs-0-00000000")


def test_a_table_of_fewer_rows_is_refused(tmp_path):
    name = written(tmp_path, ITEMS)

    with pytest.raises(DatasetDamaged, match="has fewer rows than its batch"):
        read(tmp_path, name, 5, 7)


def named(folder, data: bytes) -> str:
    name = f"inputs-0-{crc32c(data):08x}"
    with open(table_path(str(folder), name), "wb") as file:
        file.write(data)
    return name


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(DatasetDamaged, match="is no table: "):
        read(tmp_path, named(tmp_path, b"nothing of the sort"))


@pytest.mark.parametrize(
    "columns",
    [
        {"path": pa.array([b"a"]), "foreign": [1]},
        {"path": pa.array([b"a"]), "size_bytes": ["7"]},
        {"path": ["a"]},
        {"size_bytes": [1]},
    ],
    ids=["a foreign column", "a size of text", "a path of text", "no path"],
)
def test_other_columns_are_refused(tmp_path, columns):
    name = write_table(str(tmp_path), "inputs-0", pa.table(columns))

    with pytest.raises(DatasetDamaged, match="has other columns than this version's tables"):
        read(tmp_path, name)


@pytest.mark.parametrize(
    "item",
    [
        replace(PLAIN, path="/etc/passwd"),
        replace(PLAIN, path="a/../../b"),
        replace(PLAIN, path=".."),
        replace(PLAIN, path="a\0b"),
        replace(PLAIN, segment=3, segments=3),
        replace(PLAIN, start_ns=9, end_ns=9),
        replace(PLAIN, clip_start_ns=-1),
        replace(PLAIN, pictures=2),
    ],
    ids=str,
)
def test_an_item_that_cannot_be_is_refused(tmp_path, item):
    name = written(tmp_path, [PLAIN, item])

    with pytest.raises(DatasetDamaged, match="expected an item below the input, got "):
        items_in(read(tmp_path, name, 0, 2))


def test_equal_content_has_an_equal_digest_however_it_lies_in_memory():
    whole = items_table(ITEMS)
    chunked = pa.concat_tables([whole.slice(n, 1) for n in range(len(ITEMS))])
    sliced = pa.concat_tables([whole, whole, whole]).combine_chunks().slice(len(ITEMS), len(ITEMS))

    assert digest(chunked) == digest(whole) == digest(sliced) == digest(without_rest(whole))
    assert content_name(chunked) == content_name(whole) == content_name(sliced)


OTHER = {
    "path": "a/c.mp4",
    "size_bytes": 8,
    "mtime_ns": 0,
    "extra": '{"a":1}',
    "segment": 1,
    "segments": 4,
    "start_ns": 1,
    "end_ns": 2,
    "clip_start_ns": 1,
    "clip_end_ns": 2,
    "pictures_digest": "1" * 32,
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("row", [0, 1])
def test_another_value_is_another_digest(name, row):
    items = [PLAIN, replace(PLAIN, segments=2)]
    changed = list(items)
    changed[row] = replace(items[row], **{name: OTHER[name]})

    assert digest(items_table(changed)) != digest(items_table(items))
    assert content_name(items_table(changed)) != content_name(items_table(items))
    assert digest(items_table(changed[::-1])) != digest(items_table(changed))


def test_labels_name_a_batch_only_where_annotations_give_them():
    """As folders give them they follow from the path."""
    of_folders = [[replace(PLAIN, labels=labels)] for labels in (("x",), ("y",), ())]
    annotated = [[replace(item, extra="{}")] for (item,) in of_folders]

    assert len({digest(items_table(items)) for items in of_folders}) == 1
    assert len({digest(items_table(items)) for items in annotated}) == 3


def test_values_do_not_run_into_each_other():
    pairs = [("ab", "c"), ("a", "bc"), ("abc", "")]
    tables = [items_table([replace(PLAIN, path=path) for path in pair]) for pair in pairs]

    assert len({digest(table) for table in tables}) == 3


def test_a_batch_is_named_by_its_rows_its_stage_and_its_spec():
    table = items_table([*ITEMS, *ITEMS])

    def batch(first: int, end: int, **more):
        known = {"name": "inputs-0-1", "stage": "probe", "spec_key": "k"} | more
        return batch_of(table, first, end, **known)

    assert batch(0, 6).id == batch(6, 12).id == batch(0, 6, name="other-1").id
    others = {
        *(batch(0, 6, stage="extract").id, batch(0, 6, spec_key="l").id, batch(0, 5).id),
        *(batch(1, 6).id, batch(0, 7).id, batch(0, 6).id),
    }
    assert len(others) == 6
    assert (batch(0, 6).first, batch(0, 6).end, batch(0, 6).size_bytes) == (0, 6, 34)
    assert batch(2, 3).subject == "a/b.mp4 part 2/3"
    assert batch(1, 2).subject.isprintable()


def test_positions_become_ranges():
    assert runs_of([]) == []
    assert runs_of([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 6), (7, 9)]
