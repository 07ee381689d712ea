"""Inputs that are no plain folder: a list, several directories, what is hidden or unreadable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import Done, Shell, shards
from made_media import picture

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12", "--clips-per-shard", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "b/4.jpg.bak")):
        target = tmp_path / "in" / name
        picture(target.with_suffix(".jpg"), seed=number).rename(target)
    return tmp_path / "in"


def fed(there: Shell, content: bytes, *arguments: object) -> Done:
    """Submit a job that reads standard input, and wait for it."""
    done = subprocess.run(
        [sys.executable, "-m", "shardmill", "submit", *map(str, arguments), "--wait"],
        input=content,
        capture_output=True,
        env=there.whole_environment(),
        timeout=there.limit_s,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def labels(out: Path) -> dict[str, str | None]:
    rows = pq.read_table(out / "files.parquet").to_pylist()
    return {row["path"]: row["label"] for row in rows}


def test_a_list_from_standard_input_is_what_there_is_to_do(there, folder, out):
    command = (folder, "--list", "-", "--out", out, *SIZE, "--json")
    wanted = b"a/1.png\0b/4.jpg.bak\0a/1.png\0"

    first = fed(there, wanted, *command)

    assert first.code == 0, first.err
    assert_whole(out, {"a/1.png": "ok", "b/4.jpg.bak": "ok"})
    before = shards(out)
    again = fed(there, wanted, *command)
    assert "2 of 2 inputs are done already" in again.err
    assert shards(out) == before
    other = fed(there, b"a/1.png\nb/gone.png\n", *command)
    assert other.code == 3
    assert_whole(out, {"a/1.png": "ok", "b/gone.png": "unreadable"})
    assert shards(out).items() <= before.items()
    picture(folder / "b" / "gone.png", seed=9)
    assert there.run("retry", out).code == 0
    assert_whole(out, {"a/1.png": "ok", "b/gone.png": "ok"})
    mended = there.run("retry", out, "--damaged")
    assert mended.code == 2
    assert "came from standard input" in mended.err
    assert f"shardmill run {folder} --list - --out {out}" in mended.err


def test_a_list_in_a_file_is_named_by_the_job_and_read_again(there, folder, out, tmp_path):
    (tmp_path / "wanted.txt").write_bytes("a/2.png \r\n".encode("utf-16"))
    command = (folder, "--list", tmp_path / "wanted.txt", "--out", out, *SIZE)
    done = there.submit(*command)

    assert done.code == 0
    assert f"blanks stripped at the ends of 1 path in {tmp_path / 'wanted.txt'}" in done.err
    assert json.loads((out / "job.json").read_text())["list_file"] == str(tmp_path / "wanted.txt")
    (shard,) = (out / "shards").iterdir()
    shard.write_bytes(b"damaged")
    assert there.run("retry", out, "--damaged").code == 0
    assert_whole(out, {"a/2.png": "ok"})


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_list_and_a_bad_line_are_wrong_usage(there, folder, out, content, tmp_path):
    (tmp_path / "list").write_text(content)
    command = (folder, "--list", tmp_path / "list", "--out", out)

    assert "the list names no file" in there.submit(*command).only_sentence
    (tmp_path / "list").write_text(f"{content}../in/a/1.png\n")
    refused = there.submit(*command)
    assert refused.code == 2
    assert f"line {content.count(chr(10)) + 1}: expected a path below" in refused.only_sentence
    assert not out.exists()


def test_several_directories_are_one_job(there, folder, out, tmp_path):
    more = tmp_path / "else" / "more"
    picture(more / "b" / "5.png", seed=5)
    picture(more / "a" / "1.png", seed=6)
    picture(more / "7.png", seed=7)
    command = (folder, more, "--out", out, *SIZE)

    assert there.submit(*command).code == 0

    paths = ("in/a/1.png", "in/a/2.png", "in/b/3.png", "more/b/5.png", "more/a/1.png", "more/7.png")
    assert_whole(out, dict.fromkeys(paths, "ok"))
    expected = {"in/a/1.png": "a", "in/b/3.png": "b", "more/b/5.png": "b", "more/7.png": None}
    assert labels(out).items() >= expected.items()
    assert json.loads((out / "classes.json").read_text()) == {"a": 0, "b": 1}
    before = shards(out)
    assert there.submit(more, folder, "--out", out, *SIZE).code == 0
    assert shards(out) == before
    alone = there.submit(folder, "--out", out, *SIZE)
    assert alone.code == 2
    assert f"input {more}, {folder} there, {folder} here" in alone.only_sentence
    (more / "7.png").write_bytes(b"broken")
    assert there.submit(*command).code == 3
    picture(more / "7.png", seed=8)
    assert there.run("retry", out).code == 0
    assert there.run("plan", folder, more, "--out", out, *SIZE).code == 0
    assert there.run("probe", folder, more, "--out", tmp_path / "facts").code == 0
    assert_whole(tmp_path / "facts", dict.fromkeys(paths, "ok"))


def test_each_of_several_directories_must_lie_in_the_roots_of_a_worker(
    here, start_worker, server, folder, out, tmp_path
):
    picture(tmp_path / "else" / "more" / "5.png", seed=5)
    out.mkdir()
    here.environment["SHARDMILL_ROOTS"] = f"{folder}:{out}:{tmp_path / 'else'}"
    start_worker("one")
    submit = ("submit", folder, tmp_path / "else" / "more", "--out", out, *SIZE, "--wait")

    assert here.run(*submit).code == 0
    paths = ("in/a/1.png", "in/a/2.png", "in/b/3.png", "more/5.png")
    assert_whole(out, dict.fromkeys(paths, "ok"), server=server)
    picture(tmp_path / "beside" / "6.png", seed=6)
    refused = here.run("submit", folder, tmp_path / "beside", "--out", tmp_path / "else" / "o")
    assert refused.code == 1
    assert f"{tmp_path / 'beside'} is outside SHARDMILL_ROOTS" in refused.only_sentence


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("else/in", "directories of different names"),
        ("in/a", "directories that lie apart"),
        ("nowhere", "found nothing at"),
    ],
)
def test_directories_that_cannot_be_told_apart_are_refused(
    there, folder, out, tmp_path, more, told
):
    picture(tmp_path / "else" / "in" / "1.png")

    refused = there.submit(folder, tmp_path / more, "--out", out)

    assert refused.code == 2
    assert told in refused.only_sentence


def test_hidden_files_are_taken_when_asked_for(there, folder, out):
    picture(folder / ".c" / ".5.png", seed=5)
    expected = dict.fromkeys(("a/1.png", "a/2.png", "b/3.png", ".c/.5.png"), "ok")

    assert there.submit(folder, "--out", out, *SIZE, "--hidden").code == 0

    assert_whole(out, expected)


def test_a_folder_that_cannot_be_read_fails_for_all_to_see(there, folder, out):
    """A path that is too long for the system cannot be read, not even by root."""
    place, path = os.open(folder, os.O_RDONLY), ""
    for number in range(18):
        name = f"{number:0250d}"
        os.mkdir(name, dir_fd=place)
        below = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place, path = below, f"{path}/{name}"
    os.close(place)

    done = there.submit(folder, "--out", out, *SIZE)

    assert done.code == 3
    assert "cannot be read: File name too long" in done.err
    status = there.run("status", out, "--json").json
    assert (status["inputs"], status["failures"]) == (4, {"unreadable": 1})
    (lost,) = set(labels(out)) - {"a/1.png", "a/2.png", "b/3.png"}
    assert path.startswith(f"/{lost}/")
    assert "File name too long" in there.run("failures", out).out
    assert there.run("verify", out).code == 0
