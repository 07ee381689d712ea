"""The number of a class is that of the rows, whatever becomes of ``classes.json``."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from out_dir import OutDir, skipped
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.classes import known_classes, read_classes, write_classes


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path))


def rows(out, part, **numbers):
    """Commit a row for each label."""
    found = (skipped(f"{part}/{label}.mp4") for label in numbers)
    labelled = zip(found, numbers.items(), strict=True)
    out.part(
        part,
        *(
            replace(row, item=replace(row.item, labels=(label,), label_ids=(number,)))
            for row, (label, number) in labelled
        ),
    )


@pytest.mark.parametrize("text", [None, "", "[]", '{"cat": 1}x', '{"cat": 0, "dog": 0}'])
def test_numbers_come_from_the_rows_where_the_file_is_lost_or_damaged(out, text):
    rows(out, "b0", cat=1, dog=0)
    rows(out, "b1", cat=1, emu=2)
    if text is not None:
        Path(out.layout.classes).write_text(text)

    assert known_classes(out.layout) == ({"cat": 1, "dog": 0, "emu": 2}, False)


@pytest.mark.parametrize(
    ("written", "known"),
    [
        pytest.param({"cat": 0}, {"cat": 0, "dog": 1}, id="a label is missing"),
        pytest.param({"cat": 1, "dog": 0}, {"cat": 0, "dog": 1}, id="swapped"),
        pytest.param({"cat": 0, "emu": 1}, {"cat": 0, "dog": 1}, id="a number is taken"),
    ],
)
def test_the_rows_decide_where_the_file_says_otherwise(out, written, known):
    rows(out, "b0", cat=0, dog=1)
    write_classes(out.layout, written)

    assert known_classes(out.layout) == (known, False)


def test_a_class_without_rows_keeps_its_number(out):
    rows(out, "b0", dog=1)
    write_classes(out.layout, {"cat": 0, "dog": 1, "emu": 7})

    assert known_classes(out.layout) == ({"cat": 0, "dog": 1, "emu": 7}, True)


def test_a_new_job_has_no_classes_and_misses_none(out):
    assert known_classes(out.layout) == ({}, True)


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        ({"emu": 0}, "found number 0 for 'cat' and 'emu'"),
        ({"cat": 4}, "found numbers 0 and 4 for 'cat'"),
    ],
)
def test_rows_that_contradict_each_other_are_told_in_one_sentence(out, other, wrong):
    rows(out, "b0", cat=0, dog=1)
    rows(out, "b1", **other)

    with pytest.raises(DatasetDamaged, match=wrong) as told:
        known_classes(out.layout)

    assert "--damaged` makes the rows again" in str(told.value)


def test_a_row_whose_label_has_no_number_is_told(out):
    row = skipped("x.mp4")
    out.part("b0", replace(row, item=replace(row.item, labels=("cat",))))

    with pytest.raises(DatasetDamaged, match="has 1 labels and 0 numbers"):
        known_classes(out.layout)


@pytest.mark.parametrize(
    "text", ["[1]", '{"cat": true}', '{"cat": -1}', '{"cat": "0"}', '{"cat": 3, "dog": 3}']
)
def test_a_file_that_gives_no_numbers_of_their_own_is_refused(out, text):
    Path(out.layout.classes).write_text(text)

    with pytest.raises(DatasetDamaged, match="does not give each label a number of its own"):
        read_classes(out.layout)


def test_the_file_lists_the_classes_by_number(out):
    write_classes(out.layout, {"b": 1, "a": 2, "c": 0})

    assert list(json.loads(Path(out.layout.classes).read_text()).items()) == [
        *(("c", 0), ("b", 1), ("a", 2))
    ]
