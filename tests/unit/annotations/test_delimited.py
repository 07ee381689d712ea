"""CSV, TSV and plain lists: every good line is read, every bad one is told, whatever its bytes."""

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation_desk import read
from shardmill.annotations.presets import Columns, Form, Preset
from shardmill.annotations.records import Faults
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.inputs.text_file import LIMIT

LIST = Preset(form=Form(format="list", names=("path", "frames", "label")))
PLAIN = "path,label\na.mp4,x\nb.mp4,y\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", PLAIN),
        ("A.CSV", PLAIN),
        ("a.csv", PLAIN.rstrip("\n")),
        ("a.csv", PLAIN.replace("\n", "\r\n")),
        ("a.csv", "\ufeff" + PLAIN),
        ("a.csv", "\n\n" + PLAIN.replace("\n", "\n\n")),
        ("a.csv", '"path","label"\n"a.mp4","x"\n"b.mp4",y\n'),
        ("a.csv.gz", gzip.compress(PLAIN.encode())),
        ("a.csv", gzip.compress(("\ufeff" + PLAIN).encode())),
        ("a.tsv", PLAIN.replace(",", "\t")),
    ],
    ids=[
        "plain",
        "upper case",
        "no last line end",
        "CRLF",
        "mark",
        "blank lines",
        "quoted",
        "gzip",
        "gzip without its suffix",
        "tabs",
    ],
)
def test_one_table_is_the_same_however_it_is_written(desk, name, content):
    found = desk.read(name, content)

    assert [(a.source, a.labels) for a in found.annotations] == [
        ("a.mp4", ("x",)),
        ("b.mp4", ("y",)),
    ]
    assert found.left_out == []


def test_a_quoted_column_holds_delimiters_quotes_and_line_ends(desk):
    text = 'path,label,note\n"a,b.mp4","say ""hi""","two\r\nlines"\nc.mp4,5" pipe,\n'

    found = desk.read("a.csv", text)

    first, second = found.annotations
    assert (first.source, first.labels, first.extra) == (
        "a,b.mp4",
        ('say "hi"',),
        {"note": "two\r\nlines"},
    )
    assert (second.source, second.labels, second.place.number) == ("c.mp4", ('5" pipe',), 4)


@pytest.mark.parametrize("delimiter", [";", "|", "\t", " "])
def test_any_character_may_stand_between_the_columns(desk, delimiter):
    text = f"path{delimiter}label\na,b.mp4{delimiter}x\n"

    found = desk.read("a.csv", text, Preset(form=Form(delimiter=delimiter)))

    assert (found.annotations[0].source, found.annotations[0].labels) == ("a,b.mp4", ("x",))


def test_columns_without_a_header_are_named_by_the_caller(desk):
    form = Form(names=("clip", "second", "action"))
    preset = Preset(form=form, columns=Columns(path="clip", label="action", start="second"))

    (annotation,) = desk.read("ava.csv", "a.mp4,0902,12\n", preset).annotations

    assert (annotation.source, annotation.labels) == ("a.mp4", ("12",))
    assert annotation.start_ns == 902_000_000_000


@pytest.mark.parametrize(
    ("lines", "left_out", "sources"),
    [
        pytest.param(["a,x", "b", "c,x"], [(3, "columns")], ["a", "c"], id="too few columns"),
        pytest.param(["a,x", "b,x,y", "c,x"], [(3, "columns")], ["a", "c"], id="too many"),
        pytest.param(["a,x", '"b,x', "c,x"], [(3, "quotes")], ["a", "c"], id="quote never closed"),
        pytest.param(['"a"b,x', "c,x"], [(2, "quotes")], ["c"], id="text behind a quote"),
        pytest.param([",x", "c,x"], [(2, "columns")], ["c"], id="no path"),
        pytest.param(["a" * 5000 + ",x", "c,x"], [(2, "path")], ["c"], id="longer than any path"),
        pytest.param(["a" * 2_000_000, "c,x"], [(2, "long")], ["c"], id="2 MB without a line end"),
        pytest.param(
            ['"a', "b,x", "x" * 2_000_000, "c,x"],
            [(2, "quotes"), (4, "long")],
            ["b", "c"],
            id="quote before a long line",
        ),
    ],
)
def test_a_bad_line_costs_itself_alone(desk, lines, left_out, sources):
    found = desk.read("a.csv", "\n".join(["path,label", *lines, ""]))

    assert found.left_out == left_out
    assert found.sources == sources


def test_a_quote_that_is_never_closed_swallows_no_line_of_a_long_file(desk):
    """The csv module by itself takes 131,072 characters with it."""
    lines = [f"{number}.mp4,x" for number in range(50_000)]
    lines[10] = '"10.mp4,x'

    found = desk.read("a.csv", "\n".join(["path,label", *lines]))

    assert found.left_out == [(12, "quotes")]
    assert found.sources == [f"{number}.mp4" for number in range(50_000) if number != 10]


def test_a_record_of_many_lines_is_read_to_the_limit_alone(desk):
    lines = ['"a', *['","' + "b" * 100] * (LIMIT // 100), '","x"', "c.mp4,y"]

    found = desk.read("a.csv", "\n".join(["path,label", *lines]))

    assert found.left_out[0] == (2, "quotes")
    assert found.sources[-1] == "c.mp4"


def test_a_fault_says_where_and_what(desk):
    found = desk.read("a.csv", "path,label\nb\x1b[2J.mp4,x,y\n")

    assert found.reasons == (
        f"{desk.folder}/a.csv, line 2: expected 2 columns, got 3: 'b\\x1b[2J.mp4,x,y'"
    )


def test_only_the_first_faults_are_kept_and_all_are_counted(desk):
    path = desk.write("a.csv", "path\n" + "/abs\n" * 20_007 + "a,b\n")
    faults = Faults(keep=5)

    assert read(path, Preset(), faults) == []
    assert (faults.counts.total(), len(faults.kept)) == (20_008, 5)
    assert faults.counts == {"path": 20_007, "columns": 1}


def test_faults_come_in_the_order_of_their_lines_whatever_they_are(desk):
    found = desk.read("a.csv", 'path,start\n/x,\na\nb,ten\n"c\n/y,\nd,1\n')

    kinds = ["path", "columns", "time", "quotes", "path"]
    assert found.left_out == list(enumerate(kinds, 2))


def test_strict_ends_at_the_first_bad_line_with_one_sentence(desk):
    with pytest.raises(InvalidAnnotations) as caught:
        desk.read("a.csv", "path,label\na,x\nb,x,y\nc\n", strict=True)

    assert str(caught.value) == (
        f"{desk.folder}/a.csv, line 3: expected 2 columns, got 3: 'b,x,y'; "
        "mend it, or read without strict to leave such lines out"
    )


@pytest.mark.parametrize(
    ("name", "content", "preset", "message"),
    [
        ("a.csv", "file,label\na,x\n", Preset(), "expected a column 'path', got 'file', 'label'"),
        ("a.csv", "path\n", Preset(columns=Columns(label="class")), "expected a column 'class'"),
        ("a.csv", "path,path\n", Preset(), "expected each column once"),
        ("a.csv", '"path,label\na,b\n', Preset(), "expected a header as the first line"),
        ("a.csv", "x" * 2_000_000, Preset(), "expected a header as the first line"),
        ("a.dat", "path\na\n", Preset(), "say which format"),
        ("a.txt", "a\n", Preset(form=Form(names=("file",))), "expected a column 'path'"),
    ],
)
def test_a_file_that_is_none_of_the_kind_is_refused_whole(desk, name, content, preset, message):
    with pytest.raises(InvalidAnnotations, match=message):
        desk.read(name, content, preset)


def test_a_column_with_its_usual_name_may_be_absent(desk):
    found = desk.read("a.csv", "path\na.mp4\n")

    assert (found.annotations[0].labels, found.annotations[0].split) == ((), None)


@pytest.mark.parametrize("path", ["nothing.csv", "."])
def test_a_file_that_cannot_be_opened_is_told(desk, path, monkeypatch):
    monkeypatch.chdir(desk.folder)
    preset = Preset(form=Form(format="csv"))
    with pytest.raises(InvalidAnnotations, match=r"cannot be read .*: check its name"):
        list(read(path, preset, Faults()))


def test_a_damaged_gzip_file_gives_what_is_before_the_damage_and_says_so(desk):
    lines = "".join(f"{number * 7919 % 100_003}.mp4,x\n" for number in range(100_000))
    whole = gzip.compress(("path,label\n" + lines).encode())

    found = desk.read("a.csv.gz", whole[: len(whole) // 2])

    assert 10_000 < len(found.annotations) < 90_000
    ((number, kind),) = found.left_out
    assert (number, kind) == (len(found.annotations) + 2, "cut")


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("a.mp4 300 7", ("a.mp4", "300", "7")),
        ("a.mp4\t300\t7", ("a.mp4", "300", "7")),
        ("my clip.mp4  300   7 ", ("my clip.mp4", "300", "7")),
        ("a\u00a0b.mp4 300 7", ("a\u00a0b.mp4", "300", "7")),
    ],
)
def test_the_first_column_of_a_list_may_have_blanks(desk, line, columns):
    (annotation,) = desk.read("a.txt", line + "\n", LIST).annotations

    assert (annotation.source, annotation.extra["frames"], *annotation.labels) == columns


def test_a_list_without_columns_is_a_path_a_line(desk):
    found = desk.read("a.txt", "my clip.mp4\r\n\n b.mp4\n")

    assert found.sources == ["my clip.mp4", " b.mp4"]


def test_a_short_line_of_a_list_is_told(desk):
    found = desk.read("a.txt", "a.mp4 300 7\nb.mp4 7\n" + " " * 2_000_000 + "\nc.mp4 1 2\n", LIST)

    assert found.left_out == [(2, "columns"), (3, "long")]
    assert found.sources == ["a.mp4", "c.mp4"]


@pytest.mark.parametrize(
    "values",
    [
        {"delimiter": ""},
        {"delimiter": ",,"},
        {"delimiter": '"'},
        {"names": ()},
        {"names": ("a", "a")},
        {"format": "xml"},
    ],
)
def test_an_impossible_form_is_refused(values):
    with pytest.raises(UsageError, match="expected"):
        Form(**values)


CELL = st.text(st.sampled_from('ab,"\n \ré'), max_size=6)


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=8))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_csv_module_writes_is_read_back(desk, rows):
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL)
    writer.writerow(["path", "a", "b"])
    writer.writerows(["x.mp4", *row] for row in rows)

    found = desk.read("a.csv", table.getvalue())

    assert [(a.extra["a"], a.extra["b"]) for a in found.annotations] == rows
    assert found.left_out == []
