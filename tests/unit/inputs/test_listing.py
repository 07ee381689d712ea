"""A list names inputs: as lines or with NUL, relative or absolute, and nothing beside them."""

import io
import os
import sys
from pathlib import Path

import pytest

from shardmill.contract.errors import InvalidInput
from shardmill.contract.location.roots import Roots
from shardmill.inputs.listing import listed
from shardmill.inputs.scan import Filter, Found
from shardmill.inputs.text_file import BLOCK_BYTES


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for name in ("a/1.mp4", "2.dat", "new\nline.png"):
        (tmp_path / "in" / name).write_bytes(b"123")
        os.utime(tmp_path / "in" / name, ns=(5, 7))
    return tmp_path / "in"


def no_note(sentence: str) -> None:
    raise AssertionError(sentence)


def read(content: bytes, root: Path, *more: str, wanted: Filter | None = None) -> list[Found]:
    list_file = root.parent / "list"
    list_file.write_bytes(content)
    wanted = wanted or Filter(("*",), ())
    return list(listed(str(list_file), Roots.of(str(root), *more), wanted, no_note))


BOTH = [Found("a/1.mp4", 3, 7), Found("2.dat", 3, 7)]


@pytest.mark.parametrize(
    "content",
    [
        b"a/1.mp4\n2.dat\n",
        b"a/1.mp4\n2.dat",
        b"a/1.mp4\r\n\r\n2.dat\r\n",
        b"a/1.mp4\x002.dat\0",
        b"./a//1.mp4\n\n./2.dat",
        b"ROOT/a/1.mp4\nROOT//2.dat",
    ],
)
def test_lines_or_nul_relative_or_absolute(root, content):
    assert read(content.replace(b"ROOT", bytes(root)), root) == BOTH


def test_nul_leaves_newlines_to_the_names(root):
    assert read(b"new\nline.png\0a/1.mp4\0", root) == [Found("new\nline.png", 3, 7), BOTH[0]]


def test_what_is_not_there_is_an_input_all_the_same(root):
    paths = [b"gone.mp4", b"\xff.png", b"a/1.mp4/below"]

    assert read(b"\n".join(paths), root) == [Found(os.fsdecode(path), 0, 0) for path in paths]


def test_globs_hold_for_a_list_too(root):
    content = b"a/1.mp4\n2.dat\n"

    assert read(content, root, wanted=Filter(("*",), ("a/*",))) == BOTH[1:]
    assert read(content, root, wanted=Filter(("*.mp4",), ())) == BOTH[:1]


@pytest.mark.parametrize(
    "line",
    [
        *(b"../in/a/1.mp4", b"a/../../x", b"/etc/passwd", b"a/..", b".", b"/", b"ROOT", b"ROOTx/1"),
        *(b"ROOT/../other/1.mp4", b"\x1b[2J/../x"),
    ],
)
def test_a_line_that_leads_elsewhere_is_refused_with_its_number(root, line):
    content = b"a/1.mp4\n\n" + line.replace(b"ROOT", bytes(root)) + b"\n2.dat"

    with pytest.raises(InvalidInput, match="line 3: expected a path below") as refused:
        read(content, root)

    assert str(refused.value).isprintable()


def test_with_several_roots_paths_begin_with_the_name_of_theirs(root, tmp_path):
    (tmp_path / "far" / "more").mkdir(parents=True)
    more = str(tmp_path / "far" / "more")
    (tmp_path / "far" / "more" / "3.png").touch()
    os.utime(tmp_path / "far" / "more" / "3.png", ns=(5, 7))
    content = b"in/a/1.mp4\nmore/3.png\n" + os.fsencode(more) + b"/3.png\n"

    third = Found("more/3.png", 0, 7)
    assert read(content, root, more) == [Found("in/a/1.mp4", 3, 7), third, third]
    with pytest.raises(InvalidInput, match=r"line 1: .*beginning with the name of one of them"):
        read(b"a/1.mp4\n", root, more)


def test_a_long_list_is_read_block_by_block(root):
    count = 3 * BLOCK_BYTES // 9
    content = b"".join(b"%08d\n" % number for number in range(count))

    assert [found.path for found in read(content, root)] == [f"{n:08d}" for n in range(count)]


def test_what_is_no_list_or_cannot_be_read_is_refused(root):
    with pytest.raises(InvalidInput, match="separated by newlines or NUL, found more than 65,536"):
        read(b"x" * 200_000, root)
    with pytest.raises(InvalidInput, match=r"'nowhere', but it cannot be read \(No such file"):
        list(listed("nowhere", Roots.of(str(root)), Filter(("*",), ()), no_note))
    with pytest.raises(InvalidInput, match=f"line {BLOCK_BYTES // 8 + 1}: expected a path below"):
        read(b"a/1.mp4\n" * (BLOCK_BYTES // 8) + b"a\0b\n", root)


def test_a_dash_is_standard_input(root, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"2.dat\0"))))

    assert list(listed("-", Roots.of(str(root)), Filter(("*",), ()), no_note)) == BOTH[1:]
