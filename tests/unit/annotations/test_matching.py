"""Annotations find their inputs, and what finds no partner is told."""

import os
import unicodedata
from collections.abc import Iterator

import pytest

from shardmill.annotations.annotation import Annotation, Faults, Place
from shardmill.annotations.matching import Counts, Matching
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options import labels

NFC, NFD = (unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD"))
STRAY = os.fsdecode(b"a\xff.mp4")


def note(source: str, number: int = 1, **values) -> Annotation:
    return Annotation(source=source, place=Place("a.csv", "line", number), **values)


class Table:
    """What came of inputs and annotations."""

    def __init__(self, matching: Matching, faults: Faults) -> None:
        self.counts = matching.join(faults)
        self.matched = list(matching.matched())
        self.missing = list(matching.missing())
        self.bare = list(matching.bare())
        self.labels = matching.labels

    @property
    def pairs(self) -> list[tuple[str, int]]:
        """Input and line of each matched annotation."""
        return [(m.path, m.annotation.place.number) for m in self.matched]


@pytest.fixture
def join(tmp_path):
    def join(inputs, annotations, *, by="path", strict=False, sequences=()) -> Table:
        faults = Faults(strict=strict)
        with Matching(str(tmp_path / "table"), by=by) as matching:
            matching.add_inputs(inputs)
            matching.add_sequences(sequences)
            matching.add(annotations)
            table = Table(matching, faults)
        table.faults = faults
        counts = table.counts
        assert counts.matched == len(table.matched)
        assert counts.missing == len(table.missing)
        assert counts.bare == len(table.bare)
        assert counts.annotated == len({m.path for m in table.matched})
        assert counts.annotations == counts.matched + counts.missing
        assert counts.inputs == counts.annotated + counts.bare
        return table

    return join


def test_inputs_in_their_order_and_each_ones_annotations_in_file_order(join):
    inputs = ["b.mp4", "a.mp4", "c.mp4"]
    lines = ["a.mp4", "b.mp4", "a.mp4", "x.mp4", "b.mp4", "y.mp4"]
    notes = [note(source, number, start_ns=number) for number, source in enumerate(lines, 2)]

    table = join(inputs, notes)

    assert table.pairs == [("b.mp4", 3), ("b.mp4", 6), ("a.mp4", 2), ("a.mp4", 4)]
    assert [(m.annotation.source, m.reason) for m in table.missing] == [
        ("x.mp4", "no such file"),
        ("y.mp4", "no such file"),
    ]
    assert table.bare == ["c.mp4"]
    assert table.counts == Counts(
        annotations=6, matched=4, missing=2, folded=0, stripped=0, inputs=3, annotated=2, bare=1
    )


def test_an_annotation_comes_back_as_it_went_in(join):
    whole = note(
        STRAY,
        7,
        labels=("ä", "b"),
        start_ns=1,
        end_ns=10**18,
        split="val",
        extra={"n": [1.5, None, {"ü": "x"}], "big": 10**40},
    )

    (found,) = join([STRAY], [whole]).matched

    assert (found.path, found.annotation) == (STRAY, whole)


@pytest.mark.parametrize(
    ("by", "inputs", "source", "path"),
    [
        ("path", ["d/a.mp4"], "d/a.mp4", "d/a.mp4"),
        ("path", ["d/a.mp4"], "./d//a.mp4", "d/a.mp4"),
        ("path", ["d/a.mp4"], "a.mp4", None),
        ("path", ["d/a.mp4"], "d/a", None),
        ("path", ["a.mp4"], "A.mp4", None),
        ("stem", ["d/a.mp4"], "a", "d/a.mp4"),
        ("stem", ["d/a.mp4"], "a.avi", "d/a.mp4"),
        ("stem", ["d/a.mp4"], "elsewhere/a.mp4", "d/a.mp4"),
        ("stem", ["d/a.b.mp4"], "a.b", "d/a.b.mp4"),
        ("stem", ["d/a.mp4"], "a.b", None),
        ("stem", ["d/a.mp4"], "d", None),
    ],
)
def test_a_source_names_its_input_by_path_or_by_stem(join, by, inputs, source, path):
    table = join(inputs, [note(source)], by=by)

    assert [m.path for m in table.matched] == ([path] if path else [])


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
    ],
)
def test_a_source_names_a_sequence_by_its_folder_or_its_name(join, by, sequences, source, path):
    table = join(["other.mp4"], [note(source, 2)], by=by, sequences=sequences)

    assert [found.path for found in table.matched] == ([path] if path else [])


def test_a_stem_of_several_files_is_nobodys(join):
    inputs = ["train/a.mp4", "val/a.webm", "x/a.mkv", "y/a.mkv", "b.mp4"]

    table = join(inputs, [note("a", 2), note("b", 3)], by="stem")

    assert table.pairs == [("b.mp4", 3)]
    assert [m.reason for m in table.missing] == [
        "could be 'train/a.mp4' or 'val/a.webm' or 'x/a.mkv', ..."
    ]
    assert table.bare == inputs[:4]


@pytest.mark.parametrize(
    ("inputs", "sources", "pairs"),
    [
        pytest.param([NFC], [NFC], [(NFC, NFC, False)], id="the same bytes"),
        pytest.param([NFD], [NFC], [(NFD, NFC, True)], id="only as Unicode"),
        pytest.param([NFC], [NFD], [(NFC, NFD, True)], id="only as Unicode, the other way"),
        pytest.param(
            [NFC, NFD], [NFD, NFC], [(NFC, NFC, False), (NFD, NFD, False)], id="bytes first"
        ),
        pytest.param([NFD], [NFC, NFD], [(NFD, NFC, True), (NFD, NFD, False)], id="both"),
        pytest.param([STRAY], [STRAY], [(STRAY, STRAY, False)], id="bytes that are no text"),
    ],
)
def test_names_are_equal_as_bytes_first_then_as_unicode(join, inputs, sources, pairs):
    notes = [note(source, number, start_ns=number) for number, source in enumerate(sources)]

    table = join(inputs, notes)

    assert [(m.path, m.annotation.source, m.is_folded) for m in table.matched] == pairs
    assert table.counts.folded == sum(folded for _, _, folded in pairs)


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
    table = join(inputs, [note(source)], by=by)

    assert [pair for pair, _ in table.pairs] == ([path] if path else [])
    assert table.counts.stripped == stripped


def test_a_missing_file_whose_name_is_not_utf_8_says_so(join):
    table = join(["caf\u00e9.mp4"], [note("caf\udce9.mp4", 2), note("b\u00e9.mp4", 3)])

    first, second = [missing.reason for missing in table.missing]
    assert first == (
        "no such file; expected UTF-8, got the byte 0xe9 in caf?.mp4: save the file as UTF-8, or "
        "convert it, as with iconv -f WINDOWS-1252 -t UTF-8"
    )
    assert second == "no such file"


def test_what_two_files_could_be_as_unicode_is_nobodys(join):
    """Two spellings of one name, neither of them the annotation's: an acute and a dot below."""
    spellings = ["a\u0323\u0301", "\u1ea1\u0301", "a\u0301\u0323"]
    assert len({unicodedata.normalize("NFC", s) for s in spellings}) == 1

    table = join(spellings[:2], [note(spellings[2])])

    assert table.counts.missing == 1
    assert "could be" in table.missing[0].reason


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        (note("a", 3, labels=("x",), extra={"n": 1, "m": 2}), True),
        (note("./a", 3, labels=("x",), extra={"m": 2, "n": 1}), True),
        (note("b", 3, labels=("x",), extra={"n": 1, "m": 2}), False),
        (note("a", 3, labels=("y",), extra={"n": 1, "m": 2}), False),
        (note("a", 3, labels=("x",), extra={"n": 1, "m": 3}), False),
        (note("a", 3, labels=("x",), start_ns=0, extra={"n": 1, "m": 2}), False),
        (note("a", 3, labels=("x",), end_ns=5, extra={"n": 1, "m": 2}), False),
        (note("a", 3, labels=("x",), split="val", extra={"n": 1, "m": 2}), False),
    ],
)
def test_what_is_said_twice_counts_once(join, second, is_duplicate):
    first = note("a", 2, labels=("x",), extra={"n": 1, "m": 2})

    table = join(["a", "b"], [first, second])

    assert table.counts.annotations == (1 if is_duplicate else 2)
    assert table.faults.counts == ({"duplicate": 1} if is_duplicate else {})
    if is_duplicate:
        assert [str(f) for f in table.faults.kept] == [
            "a.csv, line 3: says the same as a.csv, line 2"
        ]
        assert table.pairs == [("a", 2)]


def test_of_many_that_say_the_same_the_first_stays(join):
    table = join(["a"], [note("a", number) for number in range(5, 10)])

    assert table.pairs == [("a", 5)]
    assert [f.place.number for f in table.faults.kept] == [6, 7, 8, 9]
    assert all("line 5" in f.reason for f in table.faults.kept)


def test_strict_ends_at_a_duplicate(join):
    with pytest.raises(
        InvalidAnnotations, match=r"line 2: says the same as a\.csv, line 1; mend it"
    ):
        join(["a"], [note("a", 1), note("a", 2)], strict=True)


def test_an_input_given_twice_is_one(join):
    table = join(["a", "a"], [note("a")])

    assert (table.counts.inputs, table.pairs) == (1, [("a", 1)])


def test_nothing_at_all_is_no_error(join):
    assert join([], []).counts == Counts(
        annotations=0, matched=0, missing=0, folded=0, stripped=0, inputs=0, annotated=0, bare=0
    )


def test_labels_are_those_of_all_annotations(join):
    """A class whose files are not there yet has its number already."""
    table = join(["a"], [note("a", 1, labels=("x", "y")), note("gone", 2, labels=("z",))])

    assert table.labels == {"x", "y", "z"}


def test_too_many_labels_end_the_reading(join, monkeypatch):
    monkeypatch.setattr(labels, "MAX_CLASSES", 10)

    def captions() -> Iterator[Annotation]:
        for number in range(10**9):
            yield note("a", number, labels=(f"caption {number}",))

    with pytest.raises(UsageError, match="at most 10 classes, got more, 'caption 10' among them"):
        join([], captions())


def test_a_file_is_in_the_split_that_its_first_annotation_names(join):
    notes = [
        note("a.mp4", 2, start_ns=1),
        note("a.mp4", 3, start_ns=2, split="train"),
        note("a.mp4", 4, start_ns=3, split="val"),
        note("b.mp4", 5, split="val"),
        note("gone.mp4", 6, split="train"),
        note("gone.mp4", 7, split="val"),
    ]

    table = join(["a.mp4", "b.mp4"], notes)

    assert table.pairs == [("a.mp4", 2), ("a.mp4", 3), ("b.mp4", 5)]
    assert [str(fault) for fault in table.faults.kept] == [
        "a.csv, line 4: expected split train as in a.csv, line 3, got val"
    ]
    assert dict(table.faults.counts) == {"split": 1}


def test_strict_allows_no_second_split(join):
    with pytest.raises(InvalidAnnotations, match=r"line 3: expected split a as in a\.csv, line 2"):
        join(["a"], [note("a", 2, split="a"), note("a", 3, split="b")], strict=True)


def test_the_splits_are_those_of_matched_annotations(tmp_path):
    with Matching(str(tmp_path / "table"), by="path") as matching:
        matching.add_inputs(["a", "b", "c"])
        matching.add(
            [note("a", split="val"), note("b"), note("c", split="x"), note("d", split="y")]
        )
        matching.join(Faults())

        assert matching.splits() == ["val", "x"]


@pytest.mark.parametrize(
    ("inputs", "source", "path"),
    [
        (["a.mp4", "d/a.webm"], "a.mp4", "a.mp4"),
        (["d/a.mp4", "e/a.mp4"], "./d//a.mp4", "d/a.mp4"),
        (["d/a.mp4", "e/a.mp4"], "a.mp4", None),
        (["a.b"], "a.b", "a.b"),
    ],
)
def test_of_several_files_with_a_stem_the_one_with_the_very_path_is_meant(
    join, inputs, source, path
):
    table = join(inputs, [note(source)], by="stem")

    assert [m.path for m in table.matched] == ([path] if path else [])


def test_a_lost_file_is_told_once_with_its_first_annotation(tmp_path):
    with Matching(str(tmp_path / "table"), by="stem") as matching:
        matching.add_inputs(["x/b.mp4", "y/b.mp4", "a.mp4"])
        matching.add(
            [note("z/./c.mp4", 2), note("b", 3), note("c", 4), note("a", 5), note("c", 6, end_ns=1)]
        )
        matching.join(Faults())

        found = [
            (lost.path, lost.first.annotation.place.number, lost.count) for lost in matching.lost()
        ]

    assert found == [("z/c.mp4", 2, 2), ("b", 3, 1)], "line 4 says the same as line 2"
