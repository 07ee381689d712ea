"""Annotations find their inputs, and what finds no partner is named."""

import json
import os
import unicodedata
from pathlib import PurePosixPath

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation_desk import Joined, joined
from shardmill.annotations import annotate
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options import labels
from shardmill.contract.spec import Spec

NFC, NFD = (unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD"))
STRAY = os.fsdecode(b"a\xff.mp4")
ANCHOR = "anchor.gif"
"""An input with an annotation in every job: one of which nothing fits is refused."""


def note(source: str, number: int = 1, **values) -> tuple[int, str]:
    """A line of JSON, and which one."""
    for name in ("start", "end"):
        if (ns := values.pop(f"{name}_ns", None)) is not None:
            values[name] = f"{ns}e-9"
    return number, json.dumps({"path": source, **values}, ensure_ascii=False)


@pytest.fixture
def join(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def join(inputs, notes, *, by="path", sequences=(), **options) -> Joined:
        lines = dict(notes) | {1000: note(ANCHOR)[1]}
        text = "".join(lines.get(number, "") + "\n" for number in range(1, 1001))
        (tmp_path / "a.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
        spec = Spec(labels="a.jsonl", form=(f"match={by}",), **options)
        found = joined([ANCHOR, *inputs], spec, sequences=sequences)
        assert [row["path"] for row in found.rows].count(ANCHOR) == 1
        found.rows = [row for row in found.rows if row["path"] != ANCHOR]
        return found

    return join


def test_each_input_has_its_annotations_in_file_order(join):
    lines = ["a.mp4", "b.mp4", "a.mp4", "x.mp4", "b.mp4", "y.mp4"]
    notes = [note(source, number, start_ns=number) for number, source in enumerate(lines, 2)]

    found = join(["b.mp4", "a.mp4", "c.mp4"], notes)

    keys = ("path", "segment", "segments", "clip_start_ns")
    assert [tuple(row[key] for key in keys) for row in found.rows] == [
        ("a.mp4", 0, 2, 2),
        ("a.mp4", 1, 2, 4),
        ("b.mp4", 0, 2, 3),
        ("b.mp4", 1, 2, 6),
    ]
    assert found.skipped == {
        "c.mp4": "no annotation",
        "x.mp4": "no such file; annotated in a.jsonl, line 5",
        "y.mp4": "no such file; annotated in a.jsonl, line 7",
    }
    assert found.notes == [
        "5 annotations of 3 files of 4",
        "2 annotations without a file: see the skipped rows, which name their lines",
        (
            "1 file without annotation left out: see the skipped rows, or take them with "
            "--keep-unannotated"
        ),
    ]


def test_an_annotation_comes_back_as_it_is_written(join):
    values = {"n": [1.5, None, {"ü": "x"}], "big": 10**40}
    whole = note(STRAY, 7, label=["ä", "b"], start_ns=1, end_ns=10**18 - 1, split="val", **values)

    (row,) = join([STRAY], [whole]).rows

    extra = row.pop("extra")
    assert json.loads(extra) == values
    assert extra == json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert row == {
        "path": STRAY,
        "segment": 0,
        "segments": 1,
        "labels": ["ä", "b"],
        "clip_start_ns": 1,
        "clip_end_ns": 10**18 - 1,
        "split": "val",
    }


@pytest.mark.parametrize(
    ("by", "inputs", "source", "path"),
    [
        ("path", ["d/a.mp4"], "d/a.mp4", "d/a.mp4"),
        ("path", ["d/a.mp4"], "./d//a.mp4", "d/a.mp4"),
        ("path", ["d/a.mp4"], "d/./a.mp4", "d/a.mp4"),
        ("path", ["d/a.mp4"], "a.mp4", None),
        ("path", ["d/a.mp4"], "d/a", None),
        ("path", ["a.mp4"], "A.mp4", None),
        ("stem", ["d/a.mp4"], "a", "d/a.mp4"),
        ("stem", ["d/a.mp4"], "a.avi", "d/a.mp4"),
        ("stem", ["d/a.mp4"], "elsewhere/a.AVI", "d/a.mp4"),
        ("stem", ["d/a.b.mp4"], "a.b", "d/a.b.mp4"),
        ("stem", ["d/a.mp4"], "a.b", None),
        ("stem", ["d/a.mp4"], "d", None),
        ("stem", ["d/a\udcff.mp4"], "e/a\udcff", "d/a\udcff.mp4"),
    ],
)
def test_a_source_names_its_input_by_path_or_by_stem(join, by, inputs, source, path):
    found = join(inputs, [note(source)], by=by)

    assert [row["path"] for row in found.rows] == ([path] if path else [])


@pytest.mark.parametrize(
    ("by", "sequences", "source", "path"),
    [
        ("path", ["d/v/%d.png"], "d/v", "d/v/%d.png"),
        ("path", ["d/v/%d.png"], "d/v/%d.png", "d/v/%d.png"),
        ("path", ["d/v/%d.png"], "d", None),
        ("path", ["d/v.mp4/%d.png"], "d/v.mp4", "d/v.mp4/%d.png"),
        ("path", ["d/v/l%d.png", "d/v/r%d.png"], "d/v", None),
        ("path", ["d/v/l%d.png", "d/v/r%d.png"], "d/v/r%d.png", "d/v/r%d.png"),
        ("stem", ["d/v/%d.png"], "far/v.avi", "d/v/%d.png"),
        ("stem", ["d/v.mp4/%d.png"], "v", "d/v.mp4/%d.png"),
        ("stem", ["d/v.1/%d.png"], "v.1", "d/v.1/%d.png"),
        ("stem", ["d/v/%d.png"], "d", None),
        ("path", ["%d.png"], "%d.png", "%d.png"),
    ],
)
def test_a_source_names_a_sequence_by_its_folder_or_its_name(join, by, sequences, source, path):
    found = join(["other.mp4"], [note(source, 2)], by=by, sequences=sequences)

    assert [row["path"] for row in found.rows] == ([path] if path else [])


def test_a_stem_of_several_files_is_nobodys(join):
    inputs = ["train/a.mp4", "val/a.webm", "x/a.mkv", "y/a.mkv", "b.mp4"]

    found = join(inputs, [note("a", 2), note("b", 3)], by="stem")

    assert [row["path"] for row in found.rows] == ["b.mp4"]
    assert found.skipped == dict.fromkeys(inputs[:4], "no annotation") | {
        "a": "could be 'train/a.mp4' or 'val/a.webm' or 'x/a.mkv', ...; "
        "annotated in a.jsonl, line 2"
    }


@pytest.mark.parametrize(
    ("inputs", "sources", "pairs"),
    [
        pytest.param([NFC], [NFC], [(NFC, 0)], id="the same bytes"),
        pytest.param([NFD], [NFC], [(NFD, 0)], id="only as Unicode"),
        pytest.param([NFC], [NFD], [(NFC, 0)], id="only as Unicode, the other way"),
        pytest.param([NFC, NFD], [NFD, NFC], [(NFD, 0), (NFC, 1)], id="bytes first"),
        pytest.param([NFD], [NFC, NFD], [(NFD, 0), (NFD, 1)], id="both"),
        pytest.param([STRAY], [STRAY], [(STRAY, 0)], id="bytes that are no text"),
    ],
)
def test_names_are_equal_as_bytes_first_then_as_unicode(join, inputs, sources, pairs):
    notes = [note(source, n + 1, start_ns=n) for n, source in enumerate(sources)]

    found = join(inputs, notes)

    assert [(row["path"], row["clip_start_ns"]) for row in found.rows] == pairs


@pytest.mark.parametrize(
    ("by", "inputs", "source", "path", "stripped"),
    [
        ("path", ["d/a.mp4", "b"], " d/a.mp4\u00a0", "d/a.mp4", 1),
        ("path", ["a.mp4 ", "a.mp4"], "a.mp4 ", "a.mp4 ", 0),
        ("path", ["a.mp4 "], "a.mp4", None, 0),
        ("path", ["d /a.mp4"], "d/a.mp4", None, 0),
        ("path", ["e\u0301.mp4"], "\u00e9.mp4 ", "e\u0301.mp4", 1),
        ("stem", ["d/a.b.mp4"], "\ta.b.mp4 ", "d/a.b.mp4", 1),
        ("stem", ["d/a.b.mp4"], "a.b ", "d/a.b.mp4", 1),
    ],
)
def test_blanks_at_the_ends_of_a_path_go_where_no_file_has_them(
    join, by, inputs, source, path, stripped
):
    found = join(inputs, [note(source)], by=by)

    assert [row["path"] for row in found.rows] == ([path] if path else [])
    assert ("blanks stripped at the ends of 1 path" in found.notes) == bool(stripped)


def test_a_missing_file_whose_name_is_not_utf_8_says_so(join):
    found = join(["caf\u00e9.mp4"], [note("caf\udce9.mp4", 2), note("b\u00e9.mp4", 3)])

    del found.skipped["caf\u00e9.mp4"]
    assert found.skipped == {
        "caf\udce9.mp4": "no such file; its name is not UTF-8: save the file of annotations as "
        "UTF-8, or convert it, as with iconv -f WINDOWS-1252 -t UTF-8; annotated in a.jsonl, "
        "line 2",
        "b\u00e9.mp4": "no such file; annotated in a.jsonl, line 3",
    }


def test_what_two_files_could_be_as_unicode_is_nobodys(join):
    """Two spellings of one name, neither of them the annotation's: an acute and a dot below."""
    spellings = ["a\u0323\u0301", "\u1ea1\u0301", "a\u0301\u0323"]
    assert len({unicodedata.normalize("NFC", s) for s in spellings}) == 1

    found = join(spellings[:2], [note(spellings[2])])

    assert found.rows == []
    assert "could be" in found.skipped[spellings[2]]


FIRST = {"label": "x", "n": 1, "m": 2}


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        (note("a", 3, **FIRST), True),
        (note("./a", 3, label="x", m=2, n=1), True),
        (note("b", 3, **FIRST), False),
        (note("a", 3, **FIRST | {"label": "y"}), False),
        (note("a", 3, **FIRST | {"label": ["x", "y"]}), False),
        (note("a", 3, **FIRST | {"m": 3}), False),
        (note("a", 3, **FIRST, start_ns=0), False),
        (note("a", 3, **FIRST, end_ns=5), False),
        (note("a", 3, **FIRST, split="val"), False),
    ],
)
def test_what_is_said_twice_counts_once(join, second, is_duplicate):
    found = join(["a", "b"], [note("a", 2, **FIRST), second])

    assert len(found.rows) == (1 if is_duplicate else 2)
    bad = [
        "bad annotation: a.jsonl, line 3: says the same as a.jsonl, line 2",
        "1 bad annotation left out: duplicate 1",
    ]
    assert [text for text in found.notes if "bad" in text] == (bad if is_duplicate else [])


def test_odd_bytes_of_a_name_are_no_label(join):
    found = join(
        ["a", "a\udcff"], [note("a\udcff", 2, label="b"), note("a", 3, label=["xFF", "b"])]
    )

    assert found.pairs == [("a", ("xFF", "b")), ("a\udcff", ("b",))]


def test_thousands_of_annotations_of_a_file_keep_their_order(join):
    notes = [note("ab"[n % 2], n, start_ns=(n * 7919) % 1000) for n in range(1, 1000)]

    found = join(["a", "b"], notes)

    for name, parity in (("b", 1), ("a", 0)):
        rows = [row for row in found.rows if row["path"] == name]
        expected = [n * 7919 % 1000 for n in range(1, 1000) if n % 2 == parity]
        assert [row["clip_start_ns"] for row in rows] == expected
        assert [row["segment"] for row in rows] == list(range(len(expected)))


def test_of_many_that_say_the_same_the_first_stays(join):
    found = join(["a"], [note("a", number) for number in range(5, 10)])

    assert len(found.rows) == 1
    assert found.notes[:4] == [
        "bad annotation: a.jsonl, line 6: says the same as a.jsonl, line 5",
        "bad annotation: a.jsonl, line 7: says the same as a.jsonl, line 5",
        "bad annotation: a.jsonl, line 8: says the same as a.jsonl, line 5",
        "4 bad annotations left out: duplicate 4",
    ]


def test_strict_ends_at_a_duplicate(join):
    with pytest.raises(
        InvalidAnnotations, match=r"line 2: says the same as a\.jsonl, line 1; mend it"
    ):
        join(["a"], [note("a", 1), note("a", 2)], strict=True)


def test_labels_are_those_of_all_annotations(join):
    """A class whose files are not there yet has its number already."""
    found = join(["a"], [note("a", 1, label=["x", "y"]), note("gone", 2, label="z")])

    assert found.classes == ["x", "y", "z"]


def test_too_many_labels_are_refused(join, monkeypatch):
    monkeypatch.setattr(labels, "MAX_CLASSES", 10)

    with pytest.raises(UsageError, match="at most 10 classes, got more, 'caption 12' among them"):
        join([], [note("a", number, label=f"caption {number}") for number in range(1, 13)])


def test_a_file_is_in_the_split_that_its_first_annotation_names(join):
    notes = [
        note("a.mp4", 2, start_ns=1),
        note("a.mp4", 3, start_ns=2, split="train"),
        note("a.mp4", 4, start_ns=3, split="val"),
        note("b.mp4", 5, split="val"),
        note("gone.mp4", 6, split="train"),
        note("gone.mp4", 7, split="val"),
    ]

    found = join(["a.mp4", "b.mp4"], notes)

    assert [(row["path"], row["clip_start_ns"], row["split"]) for row in found.rows] == [
        ("a.mp4", 1, "train"),
        ("a.mp4", 2, "train"),
        ("b.mp4", None, "val"),
    ]
    assert found.notes[:2] == [
        "bad annotation: a.jsonl, line 4: expected split train as in a.jsonl, line 3, got val",
        "1 bad annotation left out: split 1",
    ]
    (gone,) = found.skipped_rows
    assert (gone["split"], gone["reason"]) == (
        "train",
        "no such file; annotated in a.jsonl, line 6 and 1 more",
    )


def test_strict_allows_no_second_split(join):
    with pytest.raises(
        InvalidAnnotations, match=r"line 3: expected split a as in a\.jsonl, line 2"
    ):
        join(["a"], [note("a", 2, split="a"), note("a", 3, split="b")], strict=True)


def test_more_splits_than_a_job_may_have_are_refused(join):
    names = [f"s{number:02d}" for number in range(1, 18)]

    with pytest.raises(InvalidAnnotations, match="at most 16 splits, got more, 's17' among them"):
        join(names, [note(name, n, split=name) for n, name in enumerate(names, 1)])
    found = join(names[1:], [note(name, n, split=name) for n, name in enumerate(names, 1)])
    assert len(found.rows) == 16


@pytest.mark.parametrize(
    ("inputs", "source", "path"),
    [
        (["a.mp4", "d/a.webm"], "a.mp4", "a.mp4"),
        (["d/a.mp4", "e/a.mp4"], "d/a.mp4", "d/a.mp4"),
        (["d/a.mp4", "e/a.mp4"], "a.mp4", None),
        (["a.b"], "a.b", "a.b"),
    ],
)
def test_of_several_files_with_a_stem_the_one_with_the_very_path_is_meant(
    join, inputs, source, path
):
    found = join(inputs, [note(source)], by="stem")

    assert [row["path"] for row in found.rows] == ([path] if path else [])


def test_a_lost_file_is_named_once_with_its_first_annotation(join):
    notes = [note("z/./c.mp4", 2), note("b", 3), note("c", 4), note("a", 5), note("c", 6, end_ns=1)]

    found = join(["x/b.mp4", "y/b.mp4", "a.mp4"], notes, by="stem", keep_unannotated=True)

    assert found.skipped == {
        "z/c.mp4": "no such file; annotated in a.jsonl, line 2 and 1 more",
        "b": "could be 'x/b.mp4' or 'y/b.mp4'; annotated in a.jsonl, line 3",
    }, "line 4 says the same as line 2"


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_the_inputs_own_paths_are_annotations_in_any_batches(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(annotate, "BATCH_ROWS", rows)
    (tmp_path / "c").write_text("tea\nmilk\n")
    inputs = ["tea/1.mp4", "milk/2.mp4", "cola/3.mp4", "top.mp4", "tea/\udcff.mp4"]

    found = joined(inputs, Spec(classes=f"{tmp_path}/c"), sequences=("milk/v/%d.png",))

    assert found.pairs == [
        ("milk/2.mp4", ("milk",)),
        ("milk/v/%d.png", ("milk",)),
        ("tea/1.mp4", ("tea",)),
        ("tea/\udcff.mp4", ("tea",)),
        ("top.mp4", ()),
    ]
    assert found.skipped == {"cola/3.mp4": "no annotation"}
    assert found.classes == ["milk", "tea"]
    assert found.notes[0] == (
        "bad annotation: inputs, line 1: expected one of 2 classes, got 'cola'"
    )


@pytest.mark.parametrize(
    ("notes", "is_refused"),
    [
        ([note("a", 2)], False),
        ([note("a", 2, end_ns=5)], True),
        ([note("a", 2), note("a", 3, n=1)], True),
    ],
)
def test_clips_of_a_length_are_cut_from_whole_files_alone(join, notes, is_refused):
    if not is_refused:
        assert len(join(["a"], notes, clip_s=1.0).rows) == 1
        return
    with pytest.raises(UsageError, match=rf"got a.jsonl, line {notes[-1][0]}, which says what"):
        join(["a"], notes, clip_s=1.0)


NAMES = st.text(st.sampled_from("ab./ \t\u00a0\u3000\u0301é\udcff\udc80\\'\n\x1c\x85A"), max_size=9)
NAMES |= st.text(st.characters(exclude_characters="\0"), max_size=9)


@given(name=NAMES)
@settings(max_examples=300, deadline=None)
def test_names_in_the_database_are_as_in_python(name):
    """``text_of`` and its kin, against os.path, pathlib, unicodedata and str."""
    try:
        path = os.fsencode(name)
    except UnicodeEncodeError:
        return
    with duckdb.connect() as db:
        db.execute("create table input (path blob, pictures integer)")
        annotate._run(db, "inputs.sql", {"by_stem": False, "media_suffix": ""})
        back, plain, stem, bare = db.execute(
            "select bytes_of(text_of($path)), bytes_of(plain(text_of($path))), "
            "bytes_of(stem(text_of($path))), bytes_of(stripped(text_of($path)))",
            {"path": path},
        ).fetchone()
        text, folded = name, None
        if not any("\ud800" <= char <= "\udfff" for char in text):
            (folded,) = db.execute("select folded($text)", {"text": text}).fetchone()

    assert back == path
    parts = [part for part in name.split("/") if part not in {"", "."}]
    assert os.fsdecode(plain) == "/".join(parts)
    if parts and ".." not in parts and not name.startswith("/"):
        assert os.fsdecode(plain) == str(PurePosixPath(name))
    assert os.fsdecode(stem) == os.path.splitext(os.path.basename(name))[0]
    if folded is not None:
        assert folded == unicodedata.normalize("NFC", name)
        assert os.fsdecode(bare) == name.strip()
