"""Archives are taken for folders: which of their members are inputs, and under which path."""

import errno
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from made_archives import gnu_tar, py_tar, py_zip, tree
from shardmill.contract.errors import ItemError
from shardmill.contract.location.archive import extent_of
from shardmill.contract.location.roots import Roots
from shardmill.inputs.archives.entering import MAX_DEPTH, below, entered
from shardmill.inputs.scan import Filter, Found, one_by_one, scan


def inputs(root: Path, *, include: tuple = (), exclude: tuple = (), **options) -> list[Found]:
    wanted = Filter(include, exclude, archives=True, **options)
    return list(
        one_by_one(entered(scan(str(root), wanted, pytest.fail), Roots.of(str(root)), wanted))
    )


def told(found: list[Found]) -> dict[str, str | None]:
    return {each.path: each.member and each.member.obstacle for each in found}


def test_a_file_in_an_archive_is_called_as_if_the_archive_were_a_folder(tmp_path):
    files = {"cat/1.png": b"x" * 7, "notes.txt": b"", ".cat/2.png": b"x", "a/._3.png": b"x"}
    archive = py_tar(tmp_path / "all.TAR", tree(tmp_path / "files", files))
    os.utime(archive, ns=(5, 1_234_567_891))
    tree(tmp_path / "files", {"own.png": b"12345"})

    found = inputs(tmp_path, exclude=("*files/[!o]*",))

    assert sorted((f.path, f.size_bytes) for f in found) == [
        ("all.TAR/cat/1.png", 7),
        ("files/own.png", 5),
    ]
    (member,) = (f for f in found if f.member is not None)
    assert (member.file, member.mtime_ns) == ("all.TAR", 1_234_567_891)
    everything = {f.path for f in inputs(tmp_path, hidden=True, exclude=("files/*",))}
    assert everything == {"all.TAR/cat/1.png", "all.TAR/.cat/2.png", "all.TAR/a/._3.png"}


def test_archives_are_no_folders_unless_asked_for(tmp_path):
    py_zip(tmp_path / "x.zip", tree(tmp_path / ".files", {"1.png": b"x"}))

    wanted = Filter((), ())
    assert (
        list(
            one_by_one(entered(scan(str(tmp_path), wanted, print), Roots.of(str(tmp_path)), wanted))
        )
        == []
    )


def test_globs_choose_members_and_leave_archives_out(tmp_path):
    for name in ("a.zip", "b.zip"):
        py_zip(tmp_path / name, tree(tmp_path / ".files", {"1.png": b"x", "2.jpg": b"x"}))

    assert set(told(inputs(tmp_path, include=("*.jpg",)))) == {"a.zip/2.jpg", "b.zip/2.jpg"}
    assert set(told(inputs(tmp_path, exclude=("a.zip/*",)))) == {"b.zip/1.png", "b.zip/2.jpg"}
    assert set(told(inputs(tmp_path, exclude=("b.zip", "*.jpg")))) == {"a.zip/1.png"}


def nested(folder: Path, depth: int) -> Path:
    """Return a tar in a zip in a tar ..., with a picture in the innermost."""
    inner = tree(folder / "0", {"1.png": b"x"})
    for level in range(depth):
        outer = folder / str(level + 1)
        outer.mkdir()
        if level % 2:
            py_zip(outer / "in.zip", inner, zipfile.ZIP_STORED)
        else:
            py_tar(outer / "in.tar", inner)
        inner = outer
    return inner


@pytest.mark.parametrize("depth", [1, 2, MAX_DEPTH, MAX_DEPTH + 1])
def test_archives_in_archives_are_entered_but_not_without_end(tmp_path, depth):
    found = inputs(nested(tmp_path, depth))

    (one,) = found
    assert len(one.path.split("/")) == min(depth, MAX_DEPTH) + 1
    expected = (None, "1.png") if depth <= MAX_DEPTH else ("deep", "in.tar")
    assert (one.member.obstacle, os.path.basename(one.path)) == expected
    assert one.member.archive == one.path.split("/")[0]


def test_what_cannot_be_read_in_place_is_an_input_with_the_reason(tmp_path):
    files = tree(tmp_path / "files", {"1.png": b"x" * 999})
    media = tmp_path / "in"
    media.mkdir()
    gnu_tar(media / "a.tar.gz", files, "--gzip")
    gnu_tar(media / "b.TGZ", files, "--gzip")
    py_tar(files / "inner.tar", files)
    py_zip(media / "c.zip", files)
    (media / "d.zip").write_bytes(b"no zip at all")
    (media / "e.tar").touch()
    with zipfile.ZipFile(media / "f.zip", "w"):
        pass

    assert told(inputs(media)) == {
        "a.tar.gz": "packed",
        "b.TGZ": "packed",
        "c.zip/1.png": None,
        "c.zip/inner.tar": "packed",
        "d.zip": "foreign",
        "e.tar": None,
    }


PAGE = b"<!DOCTYPE html><title>404 Not Found</title>" + b"<p>Not found.</p>" * 50


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("x.tar.gz", gnu_tar, {"x.tar.gz/BZh9.png": None}),
        ("x.tgz", py_tar, {"x.tgz/BZh9.png": None}),
        ("x.zip", py_tar, {"x.zip/BZh9.png": None}),
        ("x.tar", py_zip, {"x.tar/BZh9.png": None}),
        ("x.tar.xz", py_zip, {"x.tar.xz/BZh9.png": None}),
        ("x.tar", lambda path, files: gnu_tar(path, files, "--gzip"), {"x.tar": "packed"}),
        ("x.tar", lambda path, files: gnu_tar(path, files, "--xz"), {"x.tar": "packed"}),
        ("x.tar", lambda path, files: gnu_tar(path, files, "--bzip2"), {"x.tar": "packed"}),
        ("x.zip", lambda path, files: gnu_tar(path, files, "--gzip"), {"x.zip": "packed"}),
        ("x.tar", lambda path, _: path.write_bytes(PAGE), {"x.tar": "foreign"}),
        ("x.zip", lambda path, _: path.write_bytes(PAGE), {"x.zip": "foreign"}),
        ("x.tar.gz", lambda path, _: path.write_bytes(PAGE), {"x.tar.gz": "foreign"}),
        ("x.tar", lambda path, _: path.write_bytes(b"<p>"), {"x.tar": "foreign"}),
    ],
)
def test_what_an_archive_is_its_content_tells(tmp_path, name, make, expected):
    make(tmp_path / name, tree(tmp_path / ".files", {"BZh9.png": b"x" * 999}))

    assert told(inputs(tmp_path)) == expected


def test_of_an_archive_without_a_mark_the_name_tells(tmp_path):
    """A tar of 1979 has none, nor has a zip with a program in front of it."""
    files = tree(tmp_path / ".files", {"1.png": b"x"})
    gnu_tar(tmp_path / "old.tar", files, "--format=v7")
    plain = py_zip(tmp_path / ".plain", files).read_bytes()
    (tmp_path / "program.zip").write_bytes(b"#!/bin/sh\nexit\n" + plain)

    assert told(inputs(tmp_path)) == {"old.tar/1.png": None, "program.zip/1.png": None}


def test_an_old_tar_that_is_cut_off_is_damaged_not_foreign(tmp_path):
    files = {f"{n}.png": b"x" * 700 for n in range(3)}
    archive = gnu_tar(tmp_path / "x.tar", tree(tmp_path / ".files", files), "--format=v7")
    os.truncate(archive, 4000)

    assert told(inputs(tmp_path))["x.tar"] == "damaged"


@pytest.mark.parametrize(
    ("options", "said"), [(["--gzip"], "compressed as a whole"), (None, "found neither")]
)
def test_a_run_says_what_an_archive_is_that_cannot_be_entered(tmp_path, options, said):
    archive = tmp_path / "x.tar"
    if options is None:
        archive.write_bytes(PAGE)
    else:
        gnu_tar(archive, tree(tmp_path / ".files", {"1.png": b"x"}), *options)
    (found,) = inputs(tmp_path)

    with pytest.raises(ItemError, match=said):
        extent_of(lambda length, offset: b"", 0, found.member, found.size_bytes)


def test_of_a_tar_that_is_cut_off_the_members_before_are_inputs(tmp_path):
    files = {f"{n}.png": b"x" * 700 for n in range(3)}
    archive = py_tar(tmp_path / "x.tar", tree(tmp_path / ".files", files))
    os.truncate(archive, 2000)

    found = inputs(tmp_path)

    assert told(found) == {"x.tar/0.png": None, "x.tar": "damaged"}
    assert [f.member.archive for f in found] == ["x.tar", "x.tar"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./a/b.png", "a/b.png"),
        ("/etc/b.png", "etc/b.png"),
        ("../../b.png", "b.png"),
        ("a/../../b/c.png", "b/c.png"),
        ("a//./b.png", "a/b.png"),
        ("..", ""),
        ("./", ""),
    ],
)
def test_a_name_leads_nowhere_else(name, path):
    assert below(name) == path


def test_a_name_that_leads_out_is_an_input_in_the_archive(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name in ("../../out.png", "/root.png"):
            tar.addfile(tarfile.TarInfo(name))

    assert set(told(inputs(tmp_path))) == {"x.tar/out.png", "x.tar/root.png"}


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("pack", [py_tar, py_zip])
def test_a_drive_that_fails_over_an_archive_makes_no_damage_of_it(
    tmp_path, monkeypatch, *, pack, after
):
    files = {f"{number}.png": bytes(3000) for number in range(9)}
    archive = pack(tmp_path / f"x.{pack.__name__[3:]}", tree(tmp_path / ".files", files))
    pread, reads = os.pread, iter(range(10**6))

    def read(*arguments: int) -> bytes:
        if next(reads) >= after:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(*arguments)

    monkeypatch.setattr(os, "pread", read)
    found = inputs(tmp_path)

    unknown = [each for each in found if each.is_unknown]
    assert [each.path for each in unknown] == [archive.name] or len(found) == len(files)
    assert not any(each.member and each.member.obstacle for each in found)
