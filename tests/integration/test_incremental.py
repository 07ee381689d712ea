"""After any change of the input the same command leaves exactly what a first run would have."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import rows, shards
from made_media import picture, video

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
ALONE = ("--clips-per-shard", "1")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    media = tmp_path / "in"
    video(media / "a" / "1.mp4", frames=5)
    picture(media / "a" / "2.png", seed=2)
    picture(media / "b" / "3.png", seed=3)
    picture(media / "b" / "4.jpg", seed=4)
    return media


def add(media: Path) -> None:
    picture(media / "c" / "5.png", seed=5)


def grow(media: Path) -> None:
    video(media / "a" / "1.mp4", frames=9)


def go_back(media: Path) -> None:
    """Another picture of the same size in bytes, as from a backup: its time lies before the old."""
    path = media / "b" / "3.png"
    size_bytes = path.stat().st_size
    picture(path, seed=33)
    with path.open("ab") as file:
        file.truncate(size_bytes)
    os.utime(path, ns=(1, 10**18))


def turn_into_a_folder(media: Path) -> None:
    (media / "b" / "3.png").unlink()
    picture(media / "b" / "3.png" / "inside.png", seed=6)


def turn_into_a_file(media: Path) -> None:
    for path in (media / "b").iterdir():
        path.unlink()
    (media / "b").rmdir()
    picture(media / "b.png", seed=3).rename(media / "b")
    picture(media / "b2.png", seed=7)


def empty_a_class(media: Path) -> None:
    for path in (media / "b").iterdir():
        path.unlink()


def move(media: Path) -> None:
    (media / "a" / "1.mp4").rename(media / "b" / "1.mp4")


def break_one(media: Path) -> None:
    (media / "a" / "1.mp4").write_bytes(b"\0" * 5000)


def everything_at_once(media: Path) -> None:
    add(media)
    grow(media)
    turn_into_a_folder(media)


CHANGES: list[tuple[Callable[[Path], None], set[str]]] = [
    (add, {"a/1.mp4", "a/2.png", "b/3.png", "b/4.jpg"}),
    (grow, {"a/2.png", "b/3.png", "b/4.jpg"}),
    (go_back, {"a/1.mp4", "a/2.png", "b/4.jpg"}),
    (turn_into_a_folder, {"a/1.mp4", "a/2.png", "b/4.jpg"}),
    (turn_into_a_file, {"a/1.mp4", "a/2.png"}),
    (empty_a_class, {"a/1.mp4", "a/2.png"}),
    (move, {"a/2.png", "b/3.png", "b/4.jpg"}),
    (break_one, {"a/2.png", "b/3.png", "b/4.jpg"}),
    (everything_at_once, {"a/2.png", "b/4.jpg"}),
]


def found_in(media: Path) -> set[str]:
    """The inputs, as any program would list them."""
    kinds = {".png", ".jpg", ".mp4"}
    paths = (path for path in media.rglob("*") if path.is_file() and path.suffix in kinds)
    return {path.relative_to(media).as_posix() for path in paths}


def table(out: Path) -> dict[str, dict]:
    return {row["path"]: row for row in pq.read_table(out / "files.parquet").to_pylist()}


def told(out: Path) -> dict[str, list]:
    """What the table says of each file, less what two runs may differ in."""
    columns = ("status", "label", "clip_id", "frames_kept", "bytes_out", "size_bytes", "mtime_ns")
    return {path: [row[name] for name in columns] for path, row in table(out).items()}


@pytest.mark.parametrize(
    ("change", "untouched"), CHANGES, ids=lambda value: value.__name__ if callable(value) else ""
)
def test_after_a_change_the_dataset_is_what_a_first_run_makes(there, media, out, change, untouched):
    assert there.submit(media, "--out", out, *SIZE, *ALONE).code == 0
    shard_of = {path: row["shard"] for path, row in table(out).items()}
    before, classes = shards(out), json.loads((out / "classes.json").read_text())
    change(media)

    again = there.submit(media, "--out", out, *SIZE, *ALONE, "--json")
    fresh = there.submit(media, "--out", out.parent / "fresh", *SIZE, *ALONE, "--json")

    expected = rows(out.parent / "fresh")
    assert expected.keys() == found_in(media)
    assert_whole(out, expected)
    assert told(out) == told(out.parent / "fresh")
    numbers = ("state", "inputs", "ok", "failed", "clips", "frames", "bytes_in", "bytes_out")
    for name in numbers:
        assert again.json[name] == fresh.json[name], name
    summary = json.loads((out / "summary.json").read_text())
    assert {name: summary[name] for name in numbers} == {name: fresh.json[name] for name in numbers}
    kept = {name: mark for name, mark in shards(out).items() if name in before}
    assert kept == {name: before[name] for name in kept}
    assert kept.keys() == {shard_of[path] for path in untouched}
    now = json.loads((out / "classes.json").read_text())
    assert now.items() >= classes.items(), "a label keeps its number"


def test_what_shared_a_shard_with_a_changed_file_is_made_again_beside_the_rest(there, media, out):
    """One shard of all: the clips of the unchanged files are made again, equal to the byte."""
    assert there.submit(media, "--out", out, *SIZE).code == 0
    before = shards(out)
    (media / "b" / "4.jpg").unlink()

    assert there.submit(media, "--out", out, *SIZE).code == 0

    assert there.submit(media, "--out", out.parent / "fresh", *SIZE).code == 0
    assert_whole(out, dict.fromkeys(found_in(media), "ok"))
    assert told(out) == told(out.parent / "fresh")
    assert not before.keys() & shards(out).keys()


def remove_file(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def fill_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("spoil", "pattern"),
    [
        (remove_file, "shards/*.tfrecord"),
        (cut_off, "shards/*.tfrecord"),
        (remove_file, "index/*.arrow"),
        (cut_off, "index/*.arrow"),
        (fill_with_zeros, "index/*.arrow"),
        (remove_file, "index/*.idx"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_a_shard_that_is_lost_is_made_again(there, media, out, spoil, pattern):
    assert there.submit(media, "--out", out, *SIZE, *ALONE).code == 0
    before, expected = shards(out), rows(out)
    spoil(sorted(out.glob(pattern))[1])

    again = there.submit(media, "--out", out, *SIZE, *ALONE)

    assert again.code == 0
    assert "1 shard is missing or damaged: what lay there is made again" in again.err
    assert_whole(out, expected)
    assert there.run("verify", out).code == 0
    assert len(before.items() & shards(out).items()) == len(before) - 1


@pytest.mark.parametrize("kept", ["--include", "--exclude"])
def test_other_globs_are_another_job(there, media, out, kept):
    assert there.submit(media, "--out", out, *SIZE).code == 0
    before = shards(out)

    refused = there.submit(media, "--out", out, *SIZE, kept, "*.png")

    assert refused.code == 2
    assert f"{kept} unset there, *.png here" in refused.only_sentence
    assert shards(out) == before
    wanted = {path for path in found_in(media) if path.endswith(".png") == (kept == "--include")}
    assert there.submit(media, "--out", out, *SIZE, kept, "*.png", "--overwrite").code == 0
    assert_whole(out, dict.fromkeys(wanted, "ok"))


def test_a_probe_does_only_the_changed_files_again(there, media, out):
    assert there.run("probe", media, "--out", out).code == 0
    before = {path: row for path, row in table(out).items() if path != "a/1.mp4"}
    grow(media)

    done = there.run("probe", media, "--out", out, "--json")

    # A row that was made again would name another worker.
    assert (done.code, done.json["ok"]) == (0, 4)
    assert {path: row for path, row in table(out).items() if path != "a/1.mp4"} == before


def test_an_input_that_has_become_empty_changes_nothing(there, media, out):
    """A disk that is not mounted looks like that."""
    assert there.submit(media, "--out", out, *SIZE).code == 0
    for path in found_in(media):
        (media / path).unlink()

    refused = there.submit(media, "--out", out, *SIZE)

    assert refused.code == 2
    assert "holds no media files" in refused.only_sentence
    assert len(rows(out)) == 4
    assert (out / "summary.json").exists()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "another shape": lambda path: path.write_text("[]"),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_job_is_replaced_only_when_told_and_nothing_else_with_it(
    there, media, out, damage
):
    assert there.submit(media, "--out", out, *SIZE).code == 0
    before = shards(out)
    damage(out / "job.json")

    refused = there.submit(media, "--out", out, *SIZE)

    assert refused.code == 1
    assert "job.json" in refused.only_sentence
    assert "--overwrite" in refused.only_sentence
    assert shards(out) == before
    (out / "shards" / "notes.txt").write_text("mine")
    assert there.submit(media, "--out", out, *SIZE, "--overwrite").code == 0
    assert (out / "shards" / "notes.txt").read_text() == "mine"
    (out / "shards" / "notes.txt").unlink()
    assert not before.items() & shards(out).items()
    assert_whole(out, dict.fromkeys(found_in(media), "ok"))


def test_other_peoples_files_beside_a_damaged_job_are_not_overwritten(there, media, out):
    out.mkdir()
    (out / "job.json").write_text("mine")
    (out / "thesis.tex").write_text("mine")

    refused = there.submit(media, "--out", out, *SIZE, "--overwrite")

    assert refused.code == 2
    assert "holds other files" in refused.only_sentence
    assert (out / "job.json").read_text() == "mine"
