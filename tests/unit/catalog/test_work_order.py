"""Inputs are grouped by what is known before any file is opened, however many workers there are."""

import os
from collections.abc import Iterator

import pyarrow as pa
import pytest

from shardmill.catalog import work_order
from shardmill.catalog.work_order import Limits, Numbering, write_work
from shardmill.contract.batch import Batch
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.work_table import TableReader, items_in
from shardmill.inputs.scan import IMAGE_SUFFIXES, suffix

WORK = pa.schema(
    {
        "path": pa.binary(),
        "size_bytes": pa.int64(),
        "mtime_ns": pa.int64(),
        "labels": pa.list_(pa.string()),
        "extra": pa.string(),
        "split": pa.string(),
        "segment": pa.int64(),
        "segments": pa.int64(),
        "pictures": pa.int64(),
        "is_picture": pa.bool_(),
    }
)
"""Columns of ``Catalog.work``, but for some that are empty mostly."""


def rows(count: int, suffix_: str = "mp4", size_bytes: int = 1, **more) -> pa.Table:
    """Inputs that are to be done, as a catalog has them."""
    is_picture = suffix("x." + suffix_) in IMAGE_SUFFIXES and "pictures" not in more
    values = {
        "path": [b"%d.%b" % (number, suffix_.encode()) for number in range(count)],
        "size_bytes": [size_bytes] * count,
        "mtime_ns": [1] * count,
        "labels": [[]] * count,
        "segment": [0] * count,
        "segments": [1] * count,
        "is_picture": [is_picture] * count,
    }
    values |= {name: [value] * count for name, value in more.items()}
    nothing = [None] * count
    return pa.table({name: values.get(name, nothing) for name in WORK.names}, schema=WORK)


def written(
    wanted: pa.Table,
    folder: str,
    *,
    limits: Limits,
    classes: dict[str, int] | None = None,
    chunk_rows: int = 30_000,
) -> Iterator[Batch]:
    numbering = Numbering(classes or {})
    chunks = wanted.to_batches(max_chunksize=chunk_rows)
    return write_work(chunks, limits, numbering, folder=folder, spec_key="key")


@pytest.fixture
def sizes(tmp_path):
    """Returns the number of rows of each batch, having read them back."""

    def sizes(wanted: pa.Table, *, extracting: bool = True, full_bytes: int = 10**9) -> list[int]:
        limits = Limits.of_job(len(wanted), extracting=extracting, full_bytes=full_bytes)
        found = list(written(wanted, str(tmp_path), limits=limits))
        reader = TableReader()
        read = [reader.read(str(tmp_path), b.table, b.first, b.end)["path"] for b in found]
        paths = [path for column in read for path in column.to_pylist()]
        assert paths == wanted["path"].to_pylist()
        assert {batch.stage for batch in found} <= {"probe"}
        assert len({batch.id for batch in found}) == len(found)
        return [len(batch) for batch in found]

    return sizes


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(rows(0), [], id="nothing"),
        pytest.param(rows(1), [1], id="one file"),
        pytest.param(rows(4), [4], id="a few files are one batch"),
        pytest.param(rows(5), [3, 2], id="no batch of one"),
        pytest.param(rows(64), [4] * 16, id="sixteen batches"),
        pytest.param(rows(160), [10] * 16, id="sixteen larger ones"),
        pytest.param(rows(256 * 16), [256] * 16, id="the most videos"),
        pytest.param(rows(256 * 17), [256] * 17, id="more batches than sixteen"),
        pytest.param(rows(4096 * 17, "jpg"), [4096] * 17, id="the most pictures"),
        pytest.param(rows(4096 * 17, "JPG"), [4096] * 17, id="suffixes in capitals"),
        pytest.param(rows(256 * 17, "jpg", pictures=9), [256] * 17, id="as many sequences"),
    ],
)
def test_a_job_is_cut_into_batches(sizes, wanted, expected):
    assert sizes(wanted) == expected


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        pytest.param(100, [1] * 8, id="each fills one"),
        pytest.param(50, [2] * 4, id="two fill one"),
        pytest.param(49, [3, 3, 2], id="three go over"),
        pytest.param(1, [4, 4], id="small ones"),
        pytest.param(10**12, [1] * 8, id="giants"),
    ],
)
def test_a_batch_is_full_when_its_input_fills_a_shard(sizes, size_bytes, expected):
    assert sizes(rows(8, size_bytes=size_bytes), full_bytes=100) == expected


def test_size_does_not_matter_when_nothing_is_extracted(sizes):
    assert sizes(rows(64, size_bytes=10**12), extracting=False, full_bytes=1) == [4] * 16


@pytest.mark.parametrize(("suffix_", "most"), [("mp4", 1024), ("jpg", 16_384)])
def test_batches_that_are_only_probed_have_four_times_as_many(sizes, suffix_, most):
    """Sixteen batches would be larger."""
    assert sizes(rows(most * 17, suffix_), extracting=False) == [most] * 17


def test_videos_among_pictures_fill_a_batch_sooner(sizes):
    """128 videos are half of one, so 2048 pictures are the other half."""
    mixed = pa.concat_tables([rows(128), rows(4096 * 17, "jpg")])

    assert sizes(mixed)[0] == 128 + 2048


def test_a_batch_is_of_one_split(sizes):
    of_splits = [rows(5, split="train"), rows(2, "mkv", split="val"), rows(3, "mov", split="test")]

    assert sizes(pa.concat_tables(of_splits)) == [4, 1, 2, 3]


def test_long_texts_of_annotations_fill_a_batch(sizes):
    """Eight million characters at most; twelve of a million would be three batches of four."""
    assert sizes(rows(12, extra="x" * 4_000_000)) == [2] * 6


def test_whole_batches_alone_lie_in_a_table_and_none_is_of_two(tmp_path, monkeypatch):
    monkeypatch.setattr(work_order, "MAX_ROWS", 2500)
    wanted = rows(7000, split="a")

    limits = Limits(400, 10**9, 10**12)
    batches = list(written(wanted, str(tmp_path), limits=limits, chunk_rows=100))

    assert len(os.listdir(tmp_path)) == 3
    ranges: dict[str, list[tuple[int, int]]] = {}
    for batch in batches:
        ranges.setdefault(batch.table, []).append((batch.first, batch.end))
    steps = [[(400 * n, 400 * n + 400) for n in range(7)]] * 2
    assert list(ranges.values()) == [*steps, [*steps[0][:3], (1200, 1400)]]


def test_equal_rows_give_equal_batches_however_they_come(tmp_path):
    wanted = pa.concat_tables([rows(500, split="a"), rows(700, "png", split="b")])
    limits = Limits(100, 10**9, 10**12)

    def batches(chunk_rows: int) -> list[Batch]:
        return list(written(wanted, str(tmp_path), limits=limits, chunk_rows=chunk_rows))

    assert batches(7) == batches(77) == batches(10**6)
    assert len(os.listdir(tmp_path)) == 1


def test_labels_get_their_numbers(tmp_path):
    labels = [["b"], [], ["a", "b"], None]
    wanted = rows(4).set_column(3, "labels", pa.array(labels, WORK.field("labels").type))

    (batch,) = written(
        wanted, str(tmp_path), limits=Limits(9, 99, 99), classes={"a": 7, "b": 3, "c": 1}
    )

    items = items_in(TableReader().read(str(tmp_path), batch.table, 0, 4).slice(0, 3))
    assert [(item.labels, item.label_ids) for item in items] == [
        *((("b",), (3,)), ((), ()), (("a", "b"), (7, 3))),
    ]


@pytest.mark.parametrize("classes", [{}, {"a": 0}])
def test_a_label_without_a_number_is_damage(tmp_path, classes):
    work = written(
        rows(2, labels=["a", "b"]), str(tmp_path), limits=Limits(9, 99, 99), classes=classes
    )

    with pytest.raises(DatasetDamaged, match=r"expected every class in classes.json, found no '"):
        list(work)
