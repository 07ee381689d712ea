"""A text file of any kind is read rightly whatever program wrote it, or refused by its name."""

import csv
import gzip
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotation_desk import Desk
from shardmill.annotations.classes import read_classes
from shardmill.annotations.presets import Columns, Form, Preset
from shardmill.annotations.records import Faults
from shardmill.contract.errors import InvalidAnnotations, InvalidInput
from shardmill.contract.location.roots import Roots
from shardmill.inputs.listing import listed
from shardmill.inputs.scan import Filter
from shardmill.inputs.text_file import BLOCK_BYTES, LIMIT, TextFile

NAMED = Preset(form=Form(format="list", names=("path", "label")))
Told = list[tuple[str, tuple[str, ...]]]
"""What a file of any kind says: each name with its labels."""


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def annotations(name: str, preset: Preset | None = None) -> Callable[[Desk, bytes], Told]:
    def read(desk: Desk, content: bytes) -> Told:
        found = desk.read(name, content, preset)
        assert found.left_out == []
        return [(each.source, each.labels) for each in found.annotations]

    return read


def inputs(desk: Desk, content: bytes) -> Told:
    notes: list[str] = []
    path, roots = desk.write("list.txt", content), Roots.of(str(desk.folder))
    found = list(listed(path, roots, Filter(("*",), ()), notes.append))
    assert notes == []
    return [(each.path, ()) for each in found]


def class_list(name: str) -> Callable[[Desk, bytes], Told]:
    def read(desk: Desk, content: bytes) -> Told:
        classes = read_classes(desk.write(name, content), "code label", Faults())
        return [(code, (label,)) for code, label in classes.codes.items()]

    return read


PAIRS = [("é/a b.mp4", ("日本",)), ("é/c.mp4", ("naïve cat",))]
KINDS = {
    "list": (inputs, "é/a b.mp4\n\né/c.mp4\n", [(name, ()) for name, _ in PAIRS]),
    "csv": (annotations("a.csv"), "path,label\né/a b.mp4,日本\n\né/c.mp4,naïve cat\n", PAIRS),
    "tsv": (annotations("a.tsv"), "path\tlabel\né/a b.mp4\t日本\né/c.mp4\tnaïve cat\n", PAIRS),
    "semicolons": (
        annotations("a.csv", Preset(form=Form(delimiter=";"))),
        'path;label\n"é/a b.mp4";日本\né/c.mp4;naïve cat\n',
        PAIRS,
    ),
    "json": (
        annotations("a.json"),
        '[\n{"path": "é/a b.mp4", "label": "日本"},\n{"path": "é/c.mp4",\n"label": "naïve cat"}]\n',
        PAIRS,
    ),
    "json object": (
        annotations("a.json", Preset(columns=Columns(path="key"))),
        '{"é/a b.mp4": {"label": "日本"},\n "é/c.mp4": {"label": "naïve cat"}}\n',
        PAIRS,
    ),
    "jsonl": (
        annotations("a.jsonl"),
        '{"path": "é/a b.mp4", "label": "日本"}\n\n{"path": "é/c.mp4", "label": "naïve cat"}\n',
        PAIRS,
    ),
    "annotated list": (
        annotations("a.txt", NAMED),
        "é/a b.mp4 日本\n\né/c.mp4 naïve\n",
        [PAIRS[0], ("é/c.mp4", ("naïve",))],
    ),
    "classes": (
        class_list("c.txt"),
        "7 日本\n\nn01 naïve cat\n",
        [("7", ("日本",)), ("n01", ("naïve cat",))],
    ),
    "classes in json": (
        class_list("c.json"),
        '{"日本": 7,\n "naïve cat": "n01"}\n',
        [("7", ("日本",)), ("n01", ("naïve cat",))],
    ),
}
"""Kind of file to its reader, its text with LF, and what that says."""
ENCODINGS = {
    "plain": lambda text: text.encode(),
    "mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16 LE with a mark": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "UTF-16 BE with a mark": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32 with a mark": lambda text: b"\xff\xfe\0\0" + text.encode("utf-32-le"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip of UTF-16": lambda text: gzip.compress(b"\xff\xfe" + text.encode("utf-16-le")),
}
LINE_ENDS = {
    "LF": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "no last one": lambda text: text.removesuffix("\n"),
    "CRLF, last one CR": lambda text: text.replace("\n", "\r\n").removesuffix("\n"),
}


@pytest.mark.parametrize("ends", LINE_ENDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_in_every_encoding_with_every_line_end(desk, kind, encoding, ends):
    read, text, told = KINDS[kind]

    assert read(desk, ENCODINGS[encoding](LINE_ENDS[ends](text))) == told


@pytest.mark.parametrize("ends", LINE_ENDS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        pytest.param(inputs, "a.mp4\né/日.mp4\n", [("a.mp4", ()), ("é/日.mp4", ())], id="list"),
        pytest.param(*KINDS["csv"], id="csv"),
        pytest.param(*KINDS["tsv"], id="tsv"),
        pytest.param(
            annotations("a.jsonl"),
            '{"path": "x"}\n{"path": "日"}\n',
            [("x", ()), ("日", ())],
            id="jsonl",
        ),
        pytest.param(annotations("a.json"), '[\n{"path": "日"}]\n', [("日", ())], id="json"),
    ],
)
def test_utf_16_without_a_mark_is_recognised_by_a_first_line_of_ascii(
    desk, read, text, told, encoding, ends
):
    assert read(desk, LINE_ENDS[ends](text).encode(encoding)) == told


def test_short_names_between_nul_are_not_taken_for_utf_16(desk):
    assert inputs(desk, b"a\0b\0c\0") == [("a", ()), ("b", ()), ("c", ())]


@pytest.mark.parametrize("cut", [1, 3])
def test_utf_16_that_is_cut_off_is_refused_by_name(desk, cut):
    content = "path,label\na,x\n".encode("utf-16")[:-cut]

    with pytest.raises(InvalidAnnotations, match=r"expected UTF-16 in '.*a.csv'.*truncated data"):
        desk.read("a.csv", content)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.csv", b"path,label\na,x\nb,caf\xe9\n", "line 3: expected UTF-8, got the byte 0xe9"),
        ("a.csv", b"path,label,gr\xf6sse\na,x,1\n", "line 1: expected UTF-8, got the byte 0xf6"),
        ("a.csv", b"path,note\na,caf\xe9\n", "line 2: expected UTF-8, got the byte 0xe9"),
        ("a.tsv", b"path\tlabel\na\tcaf\xe9\n", "line 2: expected UTF-8, got the byte 0xe9"),
        ("a.json", b'[{"path": "a"}, {"path": "b", "label": "caf\xe9"}]', "element 2: .* 0xe9"),
        ("a.json", b'[{"path": "b", "n": [{"m": "caf\xe9"}]}]', "element 1: .* 0xe9"),
        ("a.jsonl", b'{"path": "a"}\n{"path": "b", "label": ["\xe4"]}\n', "line 2: .* 0xe4"),
        ("a.txt", b"a x\nb caf\xe9\n", "line 2: .* 0xe9"),
    ],
)
def test_other_text_than_utf_8_is_refused_with_its_line_and_byte(desk, name, content, where):
    preset = NAMED if name == "a.txt" else None
    with pytest.raises(InvalidAnnotations, match=f"{name}, {where}.*: save the file as UTF-8"):
        desk.read(name, content, preset)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("c.txt", b"1 cat\n2 caf\xe9\n", "line 2"),
        ("c.json", b'{"cat": 1, "caf\xe9": 2}', "element 2"),
    ],
)
def test_classes_in_other_text_than_utf_8_are_refused_too(desk, name, content, place):
    with pytest.raises(InvalidAnnotations, match=f"{name}, {place}: expected UTF-8, .* 0xe9"):
        read_classes(desk.write(name, content), "code label", Faults())


def test_names_of_files_may_hold_any_bytes(desk):
    assert inputs(desk, b"a\xe9.mp4\n") == [("a\udce9.mp4", ())]
    assert annotations("a.csv")(desk, b"path,label\na\xe9.mp4,x\n") == [("a\udce9.mp4", ("x",))]


def test_a_carriage_return_within_a_name_or_a_quoted_column_is_part_of_it(desk):
    assert inputs(desk, b"a\rb.mp4\nc.mp4\r\n") == [("a\rb.mp4", ()), ("c.mp4", ())]
    assert inputs(desk, b"a\rb\nc.mp4\0d.mp4\r\0") == [("a\rb\nc.mp4", ()), ("d.mp4\r", ())]
    found = desk.read("a.csv", b'path,note\ra,"one\rtwo\nthree\r\nfour"\rb,\r')

    assert [(each.source, each.extra["note"]) for each in found.annotations] == [
        ("a", "one\rtwo\nthree\r\nfour"),
        ("b", ""),
    ]


def test_every_line_of_a_table_of_mixed_line_ends_is_a_row(desk):
    found = desk.read("a.csv", b"path,label\ra,x\rb,y\nc,z\r\nd,w")

    assert [(each.source, *each.labels) for each in found.annotations] == [
        *(("a", "x"), ("b", "y"), ("c", "z"), ("d", "w"))
    ]


def test_the_line_of_a_fault_is_counted_with_any_line_end(desk):
    for end in ("\n", "\r\n", "\r"):
        with pytest.raises(InvalidAnnotations, match="broken JSON in line 3"):
            desk.read("a.json", end.join(["[", '{"path": "a"},', '{"path": b}', "]"]))


@pytest.mark.parametrize("offset", range(-3, 4))
def test_a_line_end_across_two_blocks_is_one(desk, offset):
    first = "x" * (BLOCK_BYTES + offset)
    path = desk.write("lines", f"{first}\r\nsecond\r\n")

    with TextFile(path, InvalidInput) as file:
        assert list(file.lines()) == [(1, f"{first}\r\n"), (2, "second\r\n")]
    with TextFile(path, InvalidInput) as file:
        assert list(file.names()) == [(1, first), (2, "second")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_character_across_two_blocks_is_one(desk, encoding):
    text = "ab" + "é日😀" * BLOCK_BYTES + "\n"

    with TextFile(desk.write("text", text.encode(encoding)), InvalidInput) as file:
        assert "".join(iter(file.read, "")) == text


def test_a_line_or_name_that_is_too_long_costs_itself_alone(desk):
    path = desk.write("long", "a\n" + "x" * (LIMIT + 1) + "\n" + "y" * LIMIT + "\nz")

    with TextFile(path, InvalidInput) as file:
        lines = dict(file.lines())
    assert {number: line and len(line) for number, line in lines.items()} == {
        1: 2,
        2: None,
        3: LIMIT + 1,
        4: 1,
    }
    with TextFile(path, InvalidInput) as file:
        assert [name and len(name) for _, name in file.names()] == [1, None, LIMIT, 1]


def test_what_damage_cuts_off_is_no_line(desk):
    whole = gzip.compress(b"".join(b"%07d\n" % number for number in range(100_000)))

    with TextFile(desk.write("cut.gz", whole[: len(whole) // 2]), InvalidInput) as file:
        lines = [line for _, line in file.lines()]
    assert "cut off" in file.damage
    assert lines == [f"{number:07d}\n" for number in range(len(lines))]
    assert 10_000 < len(lines) < 90_000
    with pytest.raises(InvalidInput, match=r"expected a whole list, but the compressed data is"):
        inputs(desk, whole[: len(whole) // 2])


@given(
    names=st.lists(st.text(st.sampled_from("ab é日\r"), min_size=1).filter(str.strip), max_size=8),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
@example(names=["a", "\ra"], encoding="utf-8")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_between_nul_are_read_back(desk, names, encoding):
    path = desk.write("names", "".join(f"{name}\0" for name in names).encode(encoding))

    with TextFile(path, InvalidInput) as file:
        assert [name for _, name in file.names()] == names


LABELLED = {
    "csv": ("a.csv", "path,label\nx,{}\n", None),
    "tsv": ("a.tsv", 'path\tlabel\nx\t"{}"\n', None),
    "json": ("a.json", '[{{"path": "x", "label": "{}"}}]', None),
    "several in json": ("a.json", '[{{"path": "x", "label": ["{}"]}}]', None),
    "jsonl": ("a.jsonl", '{{"path": "x", "label": "{}"}}\n', None),
    "several in one": (
        "a.csv",
        "path,label\nx,{}|\n",
        Preset(columns=Columns(label_separator="|")),
    ),
}


@pytest.mark.parametrize("blanks", [" {}", "{} ", "\u00a0{}\u3000", " \u00a0 {}  "])
@pytest.mark.parametrize("kind", LABELLED)
def test_blanks_at_the_ends_of_a_label_are_stripped_and_counted(desk, kind, blanks):
    name, text, preset = LABELLED[kind]

    found = desk.read(name, text.format(blanks.format("pour\u00a0tea")), preset)

    assert [each.labels for each in found.annotations] == [("pour\\xa0tea",)]
    assert +found.faults.blanks == {"label": 1}


def test_blanks_at_the_ends_of_splits_and_of_a_header_are_stripped_and_counted(desk):
    found = desk.read("a.csv", "path, label ,split, note\nx.mp4, tea,train , n \ny.mp4,tea,val,\n")

    assert [(each.source, each.labels, each.split, each.extra) for each in found.annotations] == [
        ("x.mp4", ("tea",), "train", {"note": " n "}),
        ("y.mp4", ("tea",), "val", {"note": ""}),
    ]
    assert +found.faults.blanks == {"column name": 2, "label": 1, "split": 1}


def test_a_label_of_blanks_is_none(desk):
    found = desk.read("a.csv", "path,label,split\nx.mp4, , \n")

    assert [(each.labels, each.split) for each in found.annotations] == [((), None)]


def test_blanks_at_the_ends_of_classes_are_stripped_and_counted(desk):
    faults = Faults()
    lines = read_classes(desk.write("c", "tea \n\u00a0coffee\nmilk\n"), "label", faults)
    document = read_classes(desk.write("c.json", '{"tea ": 1, "milk": 2}'), "label", faults)

    assert tuple(lines.known) == ("tea", "coffee", "milk")
    assert tuple(document.known) == ("tea", "milk")
    assert +faults.blanks == {"class name": 3}


def test_blanks_at_the_ends_of_a_listed_path_go_where_no_file_has_them(desk):
    for name in ("tea.mp4", "exact.mp4 ", "exact.mp4"):
        (desk.folder / name).write_bytes(b"123")
    notes: list[str] = []
    content = "\ttea.mp4\u00a0\nexact.mp4 \ngone.mp4 \n  \n" + f" {desk.folder}/tea.mp4\n"
    path = desk.write("list.txt", content)

    found = list(listed(path, Roots.of(str(desk.folder)), Filter(("*",), ()), notes.append))

    assert [(each.path, each.size_bytes) for each in found] == [
        *(("tea.mp4", 3), ("exact.mp4 ", 3), ("gone.mp4 ", 0), ("tea.mp4", 3))
    ]
    assert notes == [f"blanks stripped at the ends of 2 paths in {path}"]


CELL = st.text(st.sampled_from('ab,"\n \ré日'), max_size=6)


@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_csv_module_writes_is_read_back_whatever_the_line_ends(desk, rows, end, encoding):
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(["path", "a", "b"])
    writer.writerows(["x.mp4", *row] for row in rows)

    found = desk.read("a.csv", table.getvalue().encode(encoding))

    assert [(each.extra["a"], each.extra["b"]) for each in found.annotations] == rows
    assert found.left_out == []


def test_json_without_ascii_is_read_from_utf_16(desk):
    elements = [{"path": f"{number}.mp4", "label": "日本 😀"} for number in range(5000)]
    content = json.dumps(elements, ensure_ascii=False).encode("utf-16")

    found = annotations("a.json")(desk, content)

    assert found == [(f"{number}.mp4", ("日本 😀",)) for number in range(5000)]
