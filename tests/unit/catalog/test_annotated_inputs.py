"""Annotations compared with rows: each of several of a file is done, stale or to do on its own."""

import dataclasses
import os
from collections.abc import Iterator

import pyarrow as pa
import pytest
from msgspec import Struct
from msgspec.structs import replace

from catalog_work import paths_to_do, work_of
from out_dir import OutDir
from shardmill.catalog.catalog import Catalog, sql
from shardmill.catalog.split_assigner import assign_splits
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import no_label
from shardmill.contract.options.split import parse_splits
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.contract.spec import Spec
from shardmill.dataset.manifest import read_part
from shardmill.inputs.scan import Found
from shardmill.producer.resume import take_out_stale

ANNOTATED = Spec(labels="a.csv")


@pytest.fixture
def catalog(tmp_path) -> Iterator[Catalog]:
    catalog = Catalog(str(tmp_path), no_label)
    yield catalog
    catalog.close()


@pytest.fixture
def out(tmp_path) -> OutDir:
    return OutDir(str(tmp_path / "out"))


class Said(Struct, frozen=True):
    """What an annotation of a file says."""

    path: str
    segment: int
    segments: int
    labels: tuple[str, ...]
    extra: str = "{}"
    clip_start_ns: int | None = None
    clip_end_ns: int | None = 9
    split: str | None = None


def said_of(path: str, *labels: str, **more) -> list[Said]:
    """What annotations of a file say: a label each."""
    return [Said(path, n, len(labels), (label,), **more) for n, label in enumerate(labels)]


def annotate(catalog: Catalog, annotations: list[Said]) -> None:
    kinds = {
        "path": pa.binary(),
        "segment": pa.int32(),
        "segments": pa.int32(),
        "labels": pa.list_(pa.string()),
        "extra": pa.string(),
        "clip_start_ns": pa.int64(),
        "clip_end_ns": pa.int64(),
        "split": pa.string(),
    }
    values = {name: [getattr(said, name) for said in annotations] for name in kinds}
    values["path"] = [os.fsencode(path) for path in values["path"]]
    columns = {name: pa.array(values[name], kind) for name, kind in kinds.items()}
    catalog.insert("annotation", pa.table(columns))


def inputs(*paths: str) -> list[Found]:
    return [Found(path, 1000, 1) for path in paths]


def rows_of(annotations: list[Said], **changes) -> list[Row]:
    """Good rows of them."""
    outcome = Outcome(status="ok", shard="part-b1-a1.tfrecord")
    numbers = {"x": 0, "y": 1, "z": 2}
    rows = []
    for said in annotations:
        item = Item(
            path=said.path,
            size_bytes=1000,
            mtime_ns=1,
            labels=said.labels,
            label_ids=tuple(numbers[label] for label in said.labels),
            extra=said.extra,
            split=said.split,
            segment=said.segment,
            segments=said.segments,
            clip_start_ns=said.clip_start_ns,
            clip_end_ns=said.clip_end_ns,
        )
        rows.append(Row(replace(item, **changes), Facts(), outcome))
    return rows


def to_do(catalog: Catalog) -> list[tuple[str, int]]:
    return [(row["path"], row["segment"]) for row in work_of(catalog)]


@pytest.mark.parametrize(
    ("before", "now", "again"),
    [
        pytest.param(("x", "y"), ("x", "y"), [], id="the same"),
        pytest.param(("x", "y"), ("x", "z"), [("a", 1)], id="another label"),
        pytest.param(("x",), ("y",), [("a", 0)], id="another label of the only one"),
        pytest.param(("x",), ("x", "y"), [("a", 0), ("a", 1)], id="one more"),
        pytest.param(("x", "y"), ("x",), [("a", 0)], id="one fewer"),
        pytest.param(("x", "y"), (), [("a", 0)], id="none any more"),
        pytest.param((), ("x",), [("a", 0)], id="the first"),
    ],
)
def test_an_annotation_is_to_do_where_its_row_says_something_else(catalog, out, before, now, again):
    outcome = Outcome(status="ok", shard="part-b1-a1.tfrecord")
    bare = [Row(Item(path="a", size_bytes=1000, mtime_ns=1), Facts(), outcome)]
    out.part("b1", *(rows_of(said_of("a", *before)) or bare))
    out.part("b2", *rows_of(said_of("b", "x")))
    catalog.add(inputs("a", "b"))
    annotate(catalog, [*said_of("a", *now), *said_of("b", "x")])
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()

    assert to_do(catalog) == again
    assert catalog.changed_parts() == ([out.layout.part("b1")] if again else [])
    take_out_stale(out.layout, catalog)
    assert to_do(catalog) == ([("a", n) for n in range(max(1, len(now)))] if again else [])


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("x", "y")},
        {"extra": '{"who":"b"}'},
        {"clip_start_ns": 1},
        {"clip_end_ns": None},
        {"clip_end_ns": 8},
        {"split": "val"},
    ],
    ids=str,
)
def test_whatever_an_annotation_says_otherwise_makes_its_row_stale(catalog, out, change):
    first, second = said_of("a", "x", "y")
    out.part("b1", *rows_of([first, second]))
    catalog.add(inputs("a"))
    annotate(catalog, [replace(first, **change), second])
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()

    assert to_do(catalog) == [("a", 0)]
    (row,) = work_of(catalog)
    assert {name: row[name] for name in change} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in change.items()
    }
    assert catalog.stale_rows() == {out.layout.part("b1"): {(b"a", 0)}}


def test_an_annotation_that_failed_is_done_again_alone(catalog, out):
    first, second, third = rows_of(said_of("a", "x", "y", "z"))
    bad = replace(second, outcome=Outcome(status="failed", error_class="empty"))
    out.part("b1", first)
    out.part("b2", bad, replace(third, outcome=Outcome(status="skipped")))
    catalog.add(inputs("a"))
    annotate(catalog, said_of("a", "x", "y", "z"))
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()
    take_out_stale(out.layout, catalog)

    assert [segment for _, segment in to_do(catalog)] == [1]
    assert [row.item.segment for row in read_part(out.layout.part("b2"))] == [2]
    assert catalog.done_count() == 0


def test_a_file_whose_annotations_are_all_done_is_done(catalog, out):
    out.part("b1", *rows_of(said_of("a", "x", "y")))
    catalog.add(inputs("a", "b"))
    annotate(catalog, [*said_of("a", "x", "y"), *said_of("b", "x", "y")])
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()

    assert catalog.done_count() == 1
    assert to_do(catalog) == [("b", 0), ("b", 1)]


def test_of_a_part_that_is_gone_the_annotations_alone_are_to_do(catalog, out):
    x, y = rows_of(said_of("a", "x", "y"))
    out.part("b1", x, *rows_of(said_of("b", "z")))
    out.part("b2", y)
    catalog.add(inputs("a", "b"))
    annotate(catalog, [*said_of("a", "x", "y"), *said_of("b", "z")])
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()
    assert to_do(catalog) == []

    catalog.forget(out.layout.part("b1"))

    assert to_do(catalog) == [("a", 0), ("b", 0)]
    assert catalog.changed_parts() == []
    assert catalog.done_count() == 0


def test_a_whole_file_that_was_cut_is_one_annotation(catalog, out):
    (row,) = rows_of(said_of("a", "x"))
    cut = [
        replace(row, item=replace(row.item, segment=n, segments=2, start_ns=n, end_ns=n + 1))
        for n in range(2)
    ]
    out.part("b1", cut[0])
    out.part("b2", cut[1])
    catalog.add(inputs("a"))
    annotate(catalog, said_of("a", "x"))
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()

    assert paths_to_do(catalog) == []


def test_clips_of_a_length_are_one_annotation(catalog, out):
    (whole,) = said_of("a", "x", clip_end_ns=None)
    (row,) = rows_of([whole])
    clips = [
        replace(row, item=replace(row.item, segment=n, segments=2, clip_start_ns=n))
        for n in range(2)
    ]
    out.part("b1", *clips)
    catalog.add(inputs("a"))
    annotate(catalog, [whole])
    catalog.add_manifest(out.layout, dataclasses.replace(ANNOTATED, clip_s=1.0))
    catalog.compare()

    assert paths_to_do(catalog) == []


@pytest.mark.parametrize(("split", "is_done"), [("train", True), ("val", False), (None, False)])
def test_a_split_that_annotations_name_is_kept_only_while_they_do(catalog, out, split, is_done):
    out.part("b1", *rows_of(said_of("a", "x", split="train")))
    catalog.add(inputs("a"))
    annotate(catalog, said_of("a", "x", split=split))
    catalog.add_manifest(out.layout, ANNOTATED)
    catalog.compare()

    assert [row["split"] for row in work_of(catalog)] == ([] if is_done else [split])


def test_a_split_that_was_dealt_is_none_of_an_annotation(catalog, out):
    out.part("b1", *rows_of(said_of("a", "x"), split="train"))
    catalog.add(inputs("a"))
    annotate(catalog, said_of("a", "x"))
    catalog.add_manifest(out.layout, dataclasses.replace(ANNOTATED, split="train=1"))
    catalog.compare()

    assert paths_to_do(catalog) == []


def test_a_retry_finds_in_the_rows_what_annotations_said(catalog, out, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.utime(tmp_path / "a", ns=(1, 1))
    sound, other = rows_of(said_of("a", "x", "y"))
    bad = replace(other, outcome=Outcome(status="failed", error_class="crash"))
    out.part("b1", sound, *rows_of(said_of("b", "z")))
    out.part("b2", bad)
    catalog.add_manifest(out.layout, ANNOTATED, again=["crash"])
    catalog.add_rows_as_inputs(Roots.of(str(tmp_path)))
    catalog.compare()

    (again,) = work_of(catalog)
    assert (again["path"], again["segment"], again["segments"]) == ("a", 1, 2)
    said = tuple(again[name] for name in ("labels", "extra", "clip_start_ns", "clip_end_ns"))
    assert said == (["y"], "{}", None, 9)


def test_the_class_of_an_input_is_that_of_its_first_annotation(catalog):
    """For splits and for duplicates that contradict each other."""
    catalog.add(inputs("a", "b", "c"))
    annotate(catalog, [*said_of("a", "x", "y"), *said_of("b", "z")])
    catalog.compare()
    digests = {"path": [b"a", b"b", b"c"], "content": [b"1"] * 3}
    catalog.insert("digest", pa.table(digests))

    classes = catalog.db.execute(sql("classes")).fetchall()
    duplicates = catalog.db.execute(sql("duplicates")).fetchall()

    assert sorted(classes) == [(b"a", False, "x"), (b"b", False, "z"), (b"c", False, None)]
    assert duplicates == [(b"b", b"a", "z", "x"), (b"c", b"a", None, "x")]


def test_the_annotations_of_an_input_are_of_one_split(catalog):
    catalog.add(inputs(*(f"{n}" for n in range(10))))
    annotate(catalog, [said for n in range(10) for said in said_of(f"{n}", "x", "y")])
    catalog.compare()
    assign_splits(catalog, parse_splits("train=.5,val=.5"), None)

    splits = {(row["path"], row["split"]) for row in work_of(catalog)}
    assert len(splits) == 10
    assert sorted(split for _, split in splits) == ["train"] * 5 + ["val"] * 5
