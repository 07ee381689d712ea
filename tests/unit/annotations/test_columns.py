"""From columns to annotations: times, paths, templates and labels, each checked."""

import json

import pytest

from shardmill.annotations.classes import Classes
from shardmill.annotations.columns import LONGEST_TEXT
from shardmill.annotations.presets import Columns, Preset, template_columns
from shardmill.annotations.records import Unfit
from shardmill.annotations.values import time_ns
from shardmill.contract.errors import UsageError

DOGS = Classes({"1": "dog", "n02084071": "dog", "2": "a cat"}, {"dog": None, "a cat": None})


@pytest.mark.parametrize(
    ("written", "expected_ns"),
    [
        ("0", 0),
        ("10", 10_000_000_000),
        ("1.5", 1_500_000_000),
        ("0.1", 100_000_000),
        (".25", 250_000_000),
        ("7.", 7_000_000_000),
        ("+3", 3_000_000_000),
        (" 3 ", 3_000_000_000),
        ("1e1", 10_000_000_000),
        ("123456789.123456789", 123_456_789_123_456_789),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("1000000000", 1_000_000_000_000_000_000),
        ("02:03", 123_000_000_000),
        ("00:01:02.500", 62_500_000_000),
        ("100:00:00", 360_000_000_000_000),
        ("1:2:3.000000001", 3_723_000_000_001),
        ("", None),
    ],
)
def test_a_time_is_exact_to_the_nanosecond(written, expected_ns):
    assert time_ns(written, "start") == expected_ns


@pytest.mark.parametrize(
    "written",
    [
        "-1",
        "-0.1",
        "1000000000.1",
        "1e99",
        "NaN",
        "inf",
        "1_0",
        "0x10",
        "ten",
        "1,5",
        "\u0661",
        "1 2",
        "00:60",
        "60:00",
        "00:00:60",
        "1:2:3:4",
        ":5",
        "00:00:01,5",
        "9" * 50,
        True,
        [1],
        {},
    ],
)
def test_what_is_no_time_is_told(written):
    with pytest.raises(Unfit, match="in start"):
        time_ns(written, "start")


def test_a_json_number_keeps_its_digits(desk):
    """As a float, 123456789.123456789 is 2 ns less."""
    (annotation,) = desk.read("a.json", '[{"path": "a", "start": 123456789.123456789}]').annotations

    assert annotation.start_ns == 123_456_789_123_456_789


@pytest.mark.parametrize(
    ("start", "end", "fits"),
    [
        ("1", "2", True),
        ("", "2", True),
        ("1", "", True),
        ("0", "1e-9", True),
        ("2", "2", False),
        ("2", "1", False),
        ("", "0", False),
        ("0", "0.0000000001", False),
    ],
)
def test_a_range_must_not_be_empty(desk, start, end, fits):
    found = desk.read("a.csv", f"path,start,end\na,{start},{end}\n")

    assert found.left_out == ([] if fits else [(2, "time")])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//a",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "a/",
        ".mp4/",
        "a\\0".replace("\\0", "\0"),
    ],
)
def test_a_path_that_leads_elsewhere_is_told(desk, path):
    found = desk.read("a.json", json.dumps([{"path": path}]))

    assert found.left_out == [(1, "path")]


@pytest.mark.parametrize(
    "path", ["a", "./a", "a//b", "..a", "a..", "...", "-i", "~", "a\\b", "C:x"]
)
def test_an_odd_path_below_the_input_directory_is_kept_as_written(desk, path):
    assert desk.read("a.json", json.dumps([{"path": path}])).sources == [path]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{id}", "x-Y_0"),
        ("{label}/{id}.mp4", "riding a bike/x-Y_0.mp4"),
        ("{id}_{start:06d}_{end:06d}.mp4", "x-Y_0_000010_000020.mp4"),
        ("{start:d}", "10"),
        ("{{{id}}}", "{x-Y_0}"),
        ("{id}{id}", "x-Y_0x-Y_0"),
        ("{deep.0.id}.avi", "7.avi"),
    ],
)
def test_a_template_makes_the_path(desk, template, expected):
    record = {
        "id": "x-Y_0",
        "label": "riding a bike",
        "start": 10,
        "end": 20.0,
        "deep": [{"id": 7}],
    }

    found = desk.read("a.json", json.dumps([record]), Preset(columns=Columns(template=template)))

    assert found.sources == [expected]


@pytest.mark.parametrize(
    "template",
    ["{id.__class__}", "{id[0]}", "{__globals__}"],
)
def test_a_template_reaches_columns_and_nothing_else(desk, template):
    preset = Preset(columns=Columns(template=template))

    assert desk.read("a.json", '[{"id": "x"}]', preset).left_out == [(1, "columns")]


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "{}",
        "a.mp4",
        "{id",
        "{id!r}x}",
        "{id:}",
        "{id:>9}",
        "{id:999999999d}",
        "{id:x}",
        "{a{b}}",
        "{id:00d}",
        "{id:0100d}",
    ],
)
def test_an_unknown_template_is_refused(template):
    with pytest.raises(UsageError, match="in braces"):
        template_columns(template)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "columns"),
        ("", "columns"),
        ("ten", "path"),
        (10.5, "path"),
        ("1e3", "path"),
        ("x" * 5000, "path"),
        ([1], "path"),
        (True, "path"),
        ("../../a", "path"),
        (10**30, "path"),
    ],
)
def test_a_value_that_fits_no_template_is_told(desk, value, kind):
    preset = Preset(columns=Columns(template="{start:06d}", start=None))

    assert desk.read("a.json", json.dumps([{"start": value}]), preset).left_out == [(1, kind)]


def test_a_value_cannot_lead_out_through_a_template(desk):
    preset = Preset(columns=Columns(template="{label}/{id}.mp4"))
    records = [{"label": "..", "id": "a"}, {"label": "/etc", "id": "a"}, {"label": "x", "id": "a"}]

    assert desk.read("a.json", json.dumps(records), preset).left_out == [(1, "path"), (2, "path")]


@pytest.mark.parametrize(
    ("columns", "value", "labels"),
    [
        ({}, "a|b", ("a|b",)),
        ({"label_separator": "|"}, "a|b||a", ("a", "b")),
        ({}, ["a", "b", "a"], ("a", "b")),
        ({}, [], ()),
        ({}, None, ()),
        ({}, "", ()),
        ({}, 3, ("3",)),
        ({}, 1.50, ("1.5",)),
        ({}, "tab\there", ("tab\\there",)),
        ({}, "\ud800", ("\\ud800",)),
        ({"label_without": "[]"}, "Holding [something]", ("Holding something",)),
        ({"label_pattern": r"(?P<label>n\d{8})"}, "n02017213 115 49", ("n02017213",)),
        ({"label_pattern": r"(?P<label>n\d{8})"}, "cat", ()),
        ({"label": None}, "a", ()),
        ({"label_folder": "first"}, "a", ("deep",)),
        ({"label_folder": "last"}, "a", ("down",)),
    ],
)
def test_labels_are_none_one_or_several(desk, columns, value, labels):
    record = json.dumps([{"path": "deep/down/x.mp4", "label": value}])

    (annotation,) = desk.read("a.json", record, Preset(columns=Columns(**columns))).annotations

    assert annotation.labels == labels


@pytest.mark.parametrize("value", [True, {"a": 1}, [["a"]], [None], "x" * 1001])
def test_what_is_no_label_is_told(desk, value):
    assert desk.read("a.json", json.dumps([{"path": "a", "label": value}])).left_out == [
        (1, "label")
    ]


def test_a_value_is_not_taken_for_an_equal_text(desk):
    records = [{"path": str(value), "label": value} for value in ("True", True, "1", 1, "None")]

    found = desk.read("a.json", json.dumps(records))

    assert found.left_out == [(2, "label")]
    assert [each.labels for each in found.annotations] == [("True",), ("1",), ("1",), ("None",)]


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("1", ("dog",)),
        (1, ("dog",)),
        ("dog", ("dog",)),
        ("n02084071", ("dog",)),
        ("", ()),
        (["2", "a cat", "1"], ("a cat", "dog")),
    ],
)
def test_a_class_is_written_as_its_code_or_its_label(desk, value, labels):
    record = json.dumps([{"path": "a", "label": value}])

    assert desk.read("a.json", record, classes=DOGS).annotations[0].labels == labels


def test_an_unknown_class_is_told(desk):
    found = desk.read("a.csv", "path,label\na,dog\nb,Dog\nc,3\nd,a cat\n", classes=DOGS)

    assert found.left_out == [(3, "label"), (4, "label")]
    assert "expected one of 2 classes, got 'Dog'" in found.reasons


def test_a_split_is_what_the_line_says_else_what_the_data_set_says(desk):
    found = desk.read("a.csv", "path,split\na,val\nb,\n", Preset(split="train"))

    assert [a.split for a in found.annotations] == ["val", "train"]


def test_every_other_column_is_carried_along(desk):
    found = desk.read("a.csv", "path,label,is_cc,\na,x,1,9\n")

    assert found.annotations[0].extra == {"is_cc": "1", "": "9"}


@pytest.mark.parametrize(
    "columns",
    [{"template": "{"}, {"label_pattern": "("}, {"label_pattern": "x"}],
)
def test_a_preset_that_cannot_be_is_refused_before_the_file_is_opened(desk, columns):
    with pytest.raises(UsageError, match="expected"):
        desk.read("a.csv", "", Preset(columns=Columns(**columns)))


@pytest.mark.parametrize("values", [{"label_separator": ""}, {"label_folder": "middle"}])
def test_impossible_columns_are_refused(values):
    with pytest.raises(UsageError, match="expected"):
        Columns(**values)


@pytest.mark.parametrize("split", ["train", "val_2", "x-1", "0", "a" * 32])
def test_a_split_is_a_plain_word(desk, split):
    found = desk.read("a.csv", f"path,split\na,{split}\n")

    assert [a.split for a in found.annotations] == [split]


@pytest.mark.parametrize("split", ["../x", "a b", "a/b", "-a", "a" * 33, "Ä", "."])
def test_what_could_name_no_folder_is_no_split(desk, split):
    found = desk.read("a.csv", f"path,split\na,{split}\nb,val\n")

    assert found.left_out == [(2, "split")]
    assert found.sources == ["b"]


def test_what_goes_with_every_clip_is_short(desk):
    most = LONGEST_TEXT - len('{"note":""}')
    lines = [{"path": str(n), "note": "x" * (most + n)} for n in (0, 1)]
    lines.append({"path": "2", "label": ["y" * 900 + str(n) for n in range(20)]})

    found = desk.read("a.jsonl", "\n".join(map(json.dumps, lines)))

    assert found.sources == ["0"]
    assert found.left_out == [(2, "long"), (3, "long")]
    assert "expected other columns of at most 16,384 characters, got 16,385" in found.reasons
