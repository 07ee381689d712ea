"""Numbered pictures among the inputs: taken as one input a sequence, or pointed out."""

import os
from itertools import groupby
from pathlib import Path

import pytest

from catalog_work import work_of
from shardmill.catalog.catalog import Catalog, sql
from shardmill.contract.errors import InvalidInput
from shardmill.contract.location.image_sequence import pictures_at, sequence_of
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.inputs.scan import Files, Found, one_by_one
from shardmill.inputs.sequences import Suggestion, sequence_at
from shardmill.inputs.sources import found_in
from shardmill.producer.request import Request


def tree(root: Path, *names: str) -> Path:
    """Write files as large as their names are long, last changed at the time of that number."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
        os.utime(path, ns=(1, 1000 + len(name)))
    return root


def frames(folder: str, count: int, form: str = "%04d.png") -> list[str]:
    return [f"{folder}/{form % number}" for number in range(count)]


@pytest.fixture
def enumerate_all(tmp_path):
    """Returns the inputs of a job, by path, and what was told."""

    def enumerate_all(root: Path, **options) -> tuple[dict[str, Found], list[str]]:
        list_file = options.pop("list_file", None)
        request = Request(
            root=str(root),
            out=str(tmp_path / "out"),
            spec=Spec(**options),
            goal="extract",
            list_file=list_file,
        )
        notes: list[str] = []
        found = [
            each
            for inputs in found_in(request.roots, request.list_file, request.spec, notes.append)
            for each in one_by_one(inputs)
        ]
        assert len({each.path for each in found}) == len(found)
        return {each.path: each for each in found}, notes

    return enumerate_all


def test_a_folder_of_numbered_pictures_is_one_input(enumerate_all, tmp_path):
    root = tree(tmp_path / "in", *frames("a/v", 11, "%d.png"), "a/v/poster.png", "a/w.mp4")

    found, notes = enumerate_all(root, sequences=True, fps_of=10)

    assert found.keys() == {"a/v/%d.png", "a/v/poster.png", "a/w.mp4"}
    sequence = found["a/v/%d.png"]
    assert sequence.size_bytes == sum(map(len, frames("a/v", 11, "%d.png")))
    assert sequence.mtime_ns == 1000 + len("a/v/10.png")
    assert sequence.sequence == sequence_of(pictures_at(f"{root}/a/v/%d.png"), 10.0)
    assert (sequence.sequence.pictures, sequence.sequence.pictures_hz) == (11, 10.0)
    assert sequence.item().sequence == sequence.sequence
    assert notes == ["11 numbered pictures taken as 1 image sequence"]


def test_without_the_option_every_picture_is_an_input_and_the_folders_are_pointed_out(
    enumerate_all, tmp_path
):
    root = tree(tmp_path / "in", *frames("a", 8), *frames("b", 9), *frames("c", 7), "x.mp4")

    found, notes = enumerate_all(root)

    assert len(found) == 25
    assert all(each.sequence is None for each in found.values())
    (note,) = notes
    assert note == (
        "2 folders hold numbered pictures (17 files): if they are the frames of videos, "
        "--sequences takes them as clips"
    )


@pytest.mark.parametrize(
    ("names", "told"),
    [
        pytest.param(frames("a", 8), 8, id="frame numbers"),
        pytest.param(frames("a", 12, "img_%05d.JPG")[1:], 11, id="from any number on"),
        pytest.param([f"a/{10 * n}.png" for n in range(20)], 0, id="large gaps: no frame numbers"),
        pytest.param(
            [f"a/n01440764_{n}.JPEG" for n in (10026, 10027, 10029, 10040, 10042, 10043, 10066, 9)],
            0,
            id="ImageNet",
        ),
        pytest.param([n for n in frames("a", 21) if "13" not in n], 20, id="one is missing"),
        pytest.param(frames("a", 8, "%d.mp4"), 0, id="videos"),
        pytest.param(frames("a", 8, "%d_left.png"), 0, id="numbers within names"),
        pytest.param(frames("a", 8, "l%d.png") + frames("a", 9, "r%d.png"), 17, id="two in one"),
        pytest.param([n for f in "abcdefgh" for n in frames(f, 1)], 0, id="one in each of many"),
    ],
)
def test_dense_numbers_alone_are_pointed_out(names, told):
    suggestion = Suggestion()
    inputs = [
        Files(f"{folder}/", [name.partition("/")[2] for name in group], [1] * 99, [1] * 99)
        for folder, group in groupby(names, lambda name: name.partition("/")[0])
    ]

    assert list(suggestion.observe(iter(inputs))) == inputs

    sentence = suggestion.summary()
    assert (sentence is not None) == (told > 0)
    assert sentence is None or f"1 folder holds numbered pictures ({told} files)" in sentence


def test_missing_numbers_are_told_with_their_sum(enumerate_all, tmp_path):
    names = [*frames("a", 6), *frames("b", 6), *frames("c", 6)]
    for gap in ("a/0003.png", "b/0001.png", "b/0002.png", "c/0000.png"):
        names.remove(gap)

    _, notes = enumerate_all(tree(tmp_path / "in", *names), sequences=True)

    (note,) = notes
    assert note == (
        "14 numbered pictures taken as 3 image sequences; numbers missing in 2 of them: 3, see the "
        "column pictures_missing"
    )


def test_where_there_is_no_sequence_that_is_told(enumerate_all, tmp_path):
    found, notes = enumerate_all(tree(tmp_path / "in", "a/1.png", "b/1.png"), sequences=True)

    assert found.keys() == {"a/1.png", "b/1.png"}
    (note,) = notes
    assert note == "--sequences found no numbered pictures: every picture is an input of its own"


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        pytest.param({"include": ("*.png",)}, {"a/l_%d.png", "a/r_%d.png", "a/x.png"}, id="suffix"),
        pytest.param({"include": ("l_*",)}, {"a/l_%d.png"}, id="by its name"),
        pytest.param({"include": ("a/r_%d.png", "*.mp4")}, {"a/r_%d.png", "b.mp4"}, id="its path"),
        pytest.param({"exclude": ("l_*", "x.*")}, {"a/r_%d.png", "b.mp4"}, id="left out"),
        pytest.param({"exclude": ("a/*",)}, {"b.mp4"}, id="the folder left out"),
        pytest.param(
            {"exclude": ("*_1.png",)},
            {"a/l_%d.png", "a/r_%d.png", "a/x.png", "b.mp4"},
            id="no single picture of it",
        ),
    ],
)
def test_globs_hold_against_the_name_of_a_sequence(enumerate_all, tmp_path, globs, expected):
    names = [*frames("a", 3, "l_%d.png"), *frames("a", 3, "r_%d.png"), "a/x.png", "b.mp4"]

    found, notes = enumerate_all(tree(tmp_path / "in", *names), sequences=True, **globs)

    assert found.keys() == expected
    if "a/l_%d.png" in found:
        assert found["a/l_%d.png"].sequence.pictures == 3
    assert ("matches 2 of the pictures" in notes[-1]) == ("*_1.png" in str(globs))


def test_hidden_pictures_belong_to_no_sequence_unless_they_are_asked_for(enumerate_all, tmp_path):
    root = tree(tmp_path / "in", *frames("a", 3, "._%d.png"), *frames("a", 2, "_%d.png"))

    assert enumerate_all(root, sequences=True)[0].keys() == {"a/_%d.png"}
    assert enumerate_all(root, sequences=True, hidden=True)[0].keys() == {
        "a/_%d.png",
        "a/._%d.png",
    }


def test_a_picture_that_cannot_be_looked_at_is_one_of_the_sequence(enumerate_all, tmp_path):
    """Extraction finds out; a gap without a word would be worse."""
    root = tree(tmp_path / "in", *frames("a", 3))
    (root / "a" / "0003.png").symlink_to("nowhere")
    (root / "a" / "0004.png").mkdir()

    found, notes = enumerate_all(root, sequences=True)

    assert notes[0] == "a/0003.png cannot be read: No such file or directory"
    assert found.keys() == {"a/%04d.png"}
    assert found["a/%04d.png"] == sequence_at(str(root), "a/%04d.png", 25.0)
    assert found["a/%04d.png"].sequence.pictures == 4


def test_a_list_names_folders_sequences_or_single_pictures(enumerate_all, tmp_path):
    names = [*frames("a", 3), *frames("b", 3, "l%d.png"), *frames("b", 3, "r%d.png"), "c/1.png"]
    root = tree(tmp_path / "in", *names, *frames("d", 3))
    listed = tmp_path / "list"
    listed.write_text("a/\nb/l%d.png\nd/0001.png\nc\ngone/%d.png\n")

    found, _ = enumerate_all(root, sequences=True, list_file=str(listed))

    assert {path: each.sequence and each.sequence.pictures for path, each in found.items()} == {
        "a/%04d.png": 3,
        "b/l%d.png": 3,
        "d/0001.png": None,
        "c": None,  # a folder without sequence: probing refuses it
        "gone/%d.png": None,
    }


def test_an_archive_cannot_be_the_directory(tmp_path):
    (tmp_path / "all.tar").write_bytes(bytes(10240))

    with pytest.raises(InvalidInput, match=r"got the archive .*all.tar: unpack it, or leave"):
        Request(
            root=str(tmp_path / "all.tar"),
            out=str(tmp_path / "out"),
            spec=Spec(sequences=True),
            goal="extract",
        )


def add(root: Path) -> None:
    tree(root, "a/v/0003.png")


def remove(root: Path) -> None:
    (root / "a/v/0001.png").unlink()


def rename(root: Path) -> None:
    (root / "a/v/0002.png").rename(root / "a/v/0007.png")


def touch(root: Path) -> None:
    """Change an older picture's time: neither the sum of sizes nor the last time changes."""
    os.utime(root / "a/v/0001.png", ns=(1, 999))


def swap(root: Path) -> None:
    (root / "a/v/0001.png").rename(root / "a/v/x")
    (root / "a/v/0002.png").rename(root / "a/v/0001.png")
    (root / "a/v/x").rename(root / "a/v/0002.png")


@pytest.mark.parametrize("change", [add, remove, rename, touch, swap], ids=lambda f: f.__name__)
def test_any_change_of_a_picture_is_another_state_of_the_sequence(tmp_path, change):
    root = tree(tmp_path / "in", *frames("a/v", 3))
    os.utime(root / "a/v/0002.png", ns=(1, 998))
    before = sequence_at(str(root), "a/v/%04d.png", 25.0)
    assert sequence_at(str(root), "a/v/%04d.png", 25.0) == before

    change(root)

    after = sequence_at(str(root), "a/v/%04d.png", 25.0)
    assert after.sequence != before.sequence
    assert after.item() != before.item()


def test_one_that_is_gone_is_an_input_of_no_size(tmp_path):
    assert sequence_at(str(tmp_path), "a/%d.png", 25.0) == Found("a/%d.png", 0, 0)


def test_the_catalog_gives_a_sequence_back_as_it_was_and_what_it_goes_by(tmp_path):
    root = tree(tmp_path / "in", *frames("a/v", 3), *frames("w", 2), "b/x.mp4")
    inputs = [sequence_at(str(root), name, 0.1) for name in ("a/v/%04d.png", "w/%04d.png")]
    inputs.append(Found("b/x.mp4", 7, 1))
    sources: list[str] = []
    catalog = Catalog(str(tmp_path), sources.append)
    catalog.add(inputs)
    catalog.add_manifest(Layout(str(tmp_path / "out")), Spec())
    catalog.compare()

    expected = [inputs[0], inputs[2], inputs[1]]
    of_item = [name for name in work_of(catalog)[0] if name in Item.__struct_fields__]
    assert [{name: row[name] for name in of_item} for row in work_of(catalog)] == [
        {name: getattr(found.item(), name) for name in of_item} | {"labels": []}
        for found in expected
    ]
    assert [row["is_picture"] for row in work_of(catalog)] == [False] * 3
    assert sources == ["a/v", "w", "b/x.mp4"]
    classes = catalog.db.execute(sql("classes")).fetchall()
    assert sorted(row[:2] for row in classes) == [
        *((b"a/v/%04d.png", True), (b"b/x.mp4", False), (b"w/%04d.png", True)),
    ]
    catalog.close()


@pytest.mark.parametrize(
    ("path", "label"), [("a/v/%04d.png", "a"), ("w/%04d.png", None), ("%04d.png", None)]
)
def test_a_sequence_is_labelled_as_a_file_in_the_place_of_its_folder(tmp_path, path, label):
    from shardmill.contract.options.labels import label_of

    root = tree(tmp_path / "in", *(path % number for number in range(2)))
    found = sequence_at(str(root), path, 25.0)
    catalog = Catalog(str(tmp_path), label_of)
    catalog.add([found])

    assert label_of(found.source) == label
    assert catalog.labels() == ([label] if label else [])
    assert Roots.of(str(root)).place(found.path) == f"{root}/{path}"
    catalog.close()
