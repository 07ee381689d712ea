"""Every media file below a directory is found once, and what cannot be read is told."""

import os
import socket
from pathlib import Path

import pytest

from shardmill.contract.errors import InvalidInput
from shardmill.inputs.scan import Filter, Found, one_by_one, scan


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return root


def found(root: Path, *, include: tuple = (), exclude: tuple = (), told: list | None = None):
    notes: list[str] = []
    paths = [
        item.path for item in one_by_one(scan(str(root), Filter(include, exclude), notes.append))
    ]
    if told is None:
        assert notes == []
    else:
        told += notes
    return sorted(paths)


NAMES = ("b.mp4", "a/2.JPG", "a/1.webm", "a/deep/er/3.png", "notes.txt", "a/mp4", "z.mp4.part")


def test_media_files_are_found_at_any_depth(tmp_path):
    assert found(tree(tmp_path, *NAMES)) == ["a/1.webm", "a/2.JPG", "a/deep/er/3.png", "b.mp4"]


def test_paths_below_one_of_several_directories_begin_with_its_name(tmp_path):
    tree(tmp_path / "x" / "in", "a/1.mp4", "2.mp4")
    (tmp_path / "x" / "in" / "a" / "up").symlink_to(tmp_path / "x" / "in")
    notes: list[str] = []

    seen = one_by_one(scan(str(tmp_path / "x"), Filter(("in/a/*",), ()), notes.append, top="in/"))

    assert ([item.path for item in seen], notes) == (["in/a/1.mp4"], [])


def test_size_and_time_of_change_are_told(tmp_path):
    tree(tmp_path, "a.mp4")
    os.utime(tmp_path / "a.mp4", ns=(5, 1_234_567_891))

    assert list(one_by_one(scan(str(tmp_path), Filter((), ()), print))) == [
        Found("a.mp4", 5, 1_234_567_891)
    ]


@pytest.mark.parametrize(
    "name", [".a.mp4", ".hidden/a.mp4", "a/.hidden/b.mp4", ".mp4", "a.mp4/"], ids=str
)
def test_hidden_files_and_folders_with_a_suffix_are_left_out(tmp_path, name):
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    else:
        tree(tmp_path, name)

    assert found(tmp_path) == []


def test_hidden_files_are_found_when_asked_for_but_no_folder_twice(tmp_path):
    tree(tmp_path, ".a.mp4", ".hidden/.b.mp4", "c.mp4", ".notes")

    seen = {
        item.path for item in one_by_one(scan(str(tmp_path), Filter((), (), hidden=True), print))
    }

    assert seen == {".a.mp4", ".hidden/.b.mp4", "c.mp4"}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        pytest.param(("*.webm",), (), {"a/1.webm"}, id="a suffix"),
        pytest.param(("*.webm", "b.*"), (), {"a/1.webm", "b.mp4"}, id="either"),
        pytest.param(("*.txt",), (), {"notes.txt"}, id="an unknown suffix"),
        pytest.param(("*",), ("*.mp4*",), {n for n in NAMES if ".mp4" not in n}, id="all but"),
        pytest.param((), ("a/*",), {"b.mp4"}, id="a folder, and all below"),
        pytest.param(("a/*.png",), (), {"a/deep/er/3.png"}, id="a star crosses folders"),
        pytest.param(("a/?.*",), (), {"a/1.webm", "a/2.JPG"}, id="a question mark"),
        pytest.param(("*.jpg",), (), set(), id="capitals matter"),
        pytest.param(("*.webm",), ("*.webm",), set(), id="leaving out wins"),
        pytest.param(("[",), (), set(), id="half a bracket matches itself"),
    ],
)
def test_globs_choose(tmp_path, include, exclude, expected):
    tree(tmp_path, *NAMES)

    assert set(found(tmp_path, include=include, exclude=exclude)) == expected


def test_links_are_followed_and_a_link_to_a_folder_above_is_not(tmp_path):
    tree(tmp_path / "in", "a/1.mp4")
    tree(tmp_path / "far", "2.mp4")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/a/self").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/far").symlink_to(tmp_path / "far")
    (tmp_path / "in/link.mp4").symlink_to(tmp_path / "far/2.mp4")

    assert found(tmp_path / "in") == ["a/1.mp4", "far/2.mp4", "link.mp4"]


def test_two_links_to_one_folder_are_two_sets_of_inputs(tmp_path):
    tree(tmp_path, "a/1.mp4")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    assert found(tmp_path) == ["a/1.mp4", "b/1.mp4"]


@pytest.mark.parametrize(
    ("name", "target", "notes"),
    [
        pytest.param("a.mp4", "nowhere", ["a.mp4 cannot be read: No such file"], id="dangling"),
        pytest.param("a.mp4", "a.mp4", ["a.mp4 cannot be read: Too many"], id="itself"),
        pytest.param("a.mp4", "/dev/null", [], id="a device"),
        pytest.param("notes", "nowhere", [], id="dangling, but no input"),
    ],
)
def test_a_link_that_leads_to_no_file_is_told_if_it_would_be_an_input(
    tmp_path, name, target, notes
):
    (tmp_path / name).symlink_to(target)
    told: list[str] = []

    # Told, and an input all the same: it gets its row as unreadable.
    assert found(tree(tmp_path, "b.mp4"), told=told) == [name] * len(notes) + ["b.mp4"]
    assert len(told) == len(notes)
    assert all(note.startswith(begin) for note, begin in zip(told, notes, strict=True))


def test_pipes_and_sockets_are_no_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    os.mkfifo("pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.mp4")
        assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("exclude", "is_input"),
    [((), True), (("b",), False), (("a/b/*",), False), (("*.mp4",), True), (("a/*",), False)],
)
def test_a_folder_that_cannot_be_read_is_told_and_is_an_input_itself(
    tmp_path, monkeypatch, exclude, is_input
):
    """What is in it nobody knows, so it gets a row; the rest is found."""
    tree(tmp_path, "a/b/2.mp4", "c/3.png")
    real = os.scandir

    def scandir(path):
        if path.endswith("/b/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told: list[str] = []

    seen = found(tmp_path, exclude=exclude, told=told)

    assert seen == ["a/b"] * is_input + ["c/3.png"]
    assert told == ["folder a/b/ cannot be read: Permission denied"]


def test_a_folder_that_vanishes_meanwhile_is_told(tmp_path):
    tree(tmp_path, "1.mp4", "a/2.mp4")
    told: list[str] = []
    scanning = one_by_one(scan(str(tmp_path), Filter((), ()), told.append))
    assert next(scanning).path == "1.mp4"
    (tmp_path / "a/2.mp4").unlink()
    (tmp_path / "a").rmdir()

    assert all(item == Found("a", 0, 0) for item in scanning)
    assert len(told) == 1
    assert "cannot be read: No such file or directory" in told[0]


def test_a_missing_input_directory_is_an_error(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        list(scan(str(tmp_path / "nothing"), Filter((), ()), print))


def test_names_that_are_no_text_are_found(tmp_path):
    names = [b"\xff\xfe.mp4", b"new\nline.mp4", b"%d.mp4", b"-rf.mp4", "ü.mp4".encode()]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).touch()

    assert sorted(map(os.fsencode, found(tmp_path))) == sorted(names)


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path):
    for name in ("a.mp4", "b.txt", "c.TXT", "d.json", "README", "e.zip", ".hidden.txt"):
        (tmp_path / name).write_bytes(b"x")
    wanted = Filter((), ())

    found = [
        found.path for found in one_by_one(scan(str(tmp_path), wanted, on_unreadable=[].append))
    ]

    assert found == ["a.mp4"]
    told = wanted.left_out()
    assert told.startswith("5 files of other kinds left out (.txt 2, ")
    assert told.endswith("): --include takes them")
    assert all(kind in told for kind in (".json 1", ".zip 1", "without suffix 1"))


def test_what_is_excluded_or_taken_for_a_folder_is_not_told(tmp_path):
    for name in ("a.mp4", "b.txt", "c.tar"):
        (tmp_path / name).write_bytes(b"x")
    wanted = Filter((), ("*.txt",), archives=True)

    list(scan(str(tmp_path), wanted, on_unreadable=[].append))

    assert wanted.left_out() is None


def test_a_million_kinds_take_no_memory(tmp_path):
    wanted = Filter((), ())
    assert wanted.wants("a.mp4", "a.mp4")
    for number in range(5000):
        assert not wanted.wants(f"a.{number}x", f"a.{number}x")

    assert wanted.left_out().startswith("5,000 files of other kinds left out (others 4,000, ")
