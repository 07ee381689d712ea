"""What lies in archives becomes what it would outside them."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster import assert_whole
from command_line import rows, shards
from made_archives import gnu_tar, py_tar, py_zip
from made_media import picture, video
from shardmill.read.opening import open_shards

pytestmark = pytest.mark.needs_redis
FILES = ("1.png", "2.jpg", "3.mp4")
STEPS = ("ledger", "probe", "open", "demux", "decode", "scale", "colour", "encode", "write")
SIZE = ("--size", "16x12", "--clips-per-shard", "1")


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two classes with a video and two pictures each."""
    media = tmp_path / "classes"
    for number, label in enumerate(("cat", "dog")):
        picture(media / label / "1.png", seed=2 * number)
        picture(media / label / "2.jpg", seed=2 * number + 1)
        video(media / label / "3.mp4", frames=5 + number)
    return media


def facts(out: Path) -> dict[str, dict]:
    """Return what each input is and became, by its path below its own archive or folder."""
    own = {"path", "archive", "archive_offset", "packed_bytes", "mtime_ns"}
    of_a_run = {"seconds", "worker", "clip_id", "shard"}
    of_a_run |= {f"{step}_s" for step in STEPS}
    table = pq.read_table(out / "files.parquet").to_pylist()
    return {
        "/".join(row["path"].split("/")[-2:]): {
            name: value for name, value in row.items() if name not in own | of_a_run
        }
        for row in table
    }


def frames(out: Path) -> dict[str, np.ndarray]:
    """Return each clip's frames, by its path in the same way."""
    return {"/".join(clip.path.split("/")[-2:]): clip.frames() for clip in open_shards(out)}


def assert_alike(out: Path, expected: Path) -> None:
    assert facts(out) == facts(expected)
    found, wanted = frames(out), frames(expected)
    assert found.keys() == wanted.keys() == facts(expected).keys()
    assert all(np.array_equal(found[path], wanted[path]) for path in wanted)
    assert json.loads((out / "classes.json").read_text()) == {"cat": 0, "dog": 1}


PACKED = {
    "tar": lambda folder, media: gnu_tar(folder / "all.tar", media),
    "deflated zip": lambda folder, media: py_zip(folder / "all.zip", media),
    "stored zip": lambda folder, media: py_zip(folder / "all.zip", media, zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("how", PACKED)
def test_an_archive_is_taken_for_a_directory(there, classes, tmp_path, how):
    archive = PACKED[how](tmp_path, classes)
    for source, out in ((classes, "there"), (archive, "here")):
        done = there.submit(source, "--out", tmp_path / out, *SIZE)
        assert done.code == 0, done.err

    assert_alike(tmp_path / "here", tmp_path / "there")
    names = [f"{archive.name}/{label}/{n}" for label in ("cat", "dog") for n in FILES]
    assert_whole(tmp_path / "here", dict.fromkeys(names, "ok"))
    before = shards(tmp_path / "here")
    again = there.submit(archive, "--out", tmp_path / "here", *SIZE)
    assert "6 of 6 inputs are done already" in again.err
    assert shards(tmp_path / "here") == before


def test_a_tar_of_tars_of_classes_as_imagenet_comes(there, classes, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    for label in ("cat", "dog"):
        py_tar(inner / f"{label}.tar", classes / label)
    archive = py_tar(tmp_path / "train.tar", inner)

    done = there.submit(archive, "--out", tmp_path / "out", *SIZE)

    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == {"cat": 0, "dog": 1}
    there.submit(classes, "--out", tmp_path / "there", *SIZE)
    assert frames(tmp_path / "out").keys() == {
        f"{label}.tar/{n}" for label in ("cat", "dog") for n in FILES
    }
    there = frames(tmp_path / "there")
    for path, pixels in frames(tmp_path / "out").items():
        assert np.array_equal(pixels, there[path.replace(".tar", "")])


def test_archives_below_a_directory_are_entered_when_asked_for(there, classes, tmp_path, out):
    shutil.move(py_zip(tmp_path / "dog.zip", classes / "dog"), classes / "dog.zip")
    shutil.rmtree(classes / "dog")
    run = (classes, "--out", out, *SIZE)
    assert there.submit(*run).code == 0
    assert_whole(out, {f"cat/{n}": "ok" for n in FILES})

    refused = there.submit(*run, "--archives")
    assert refused.code == 2
    assert "--archives unset there, True here" in refused.only_sentence
    assert there.submit(*run, "--archives", "--overwrite").code == 0
    assert_whole(out, {f"{top}/{n}": "ok" for top in ("cat", "dog.zip") for n in FILES})
    assert json.loads((out / "classes.json").read_text()) == {"cat": 0, "dog": 1}


def test_what_is_damaged_fails_alone_until_the_archive_is_whole(there, classes, tmp_path, out):
    archive = py_tar(tmp_path / "all.tar", classes)
    sound = archive.read_bytes()
    names = {f"all.tar/{label}/{n}": "ok" for label in ("cat", "dog") for n in FILES}
    with open(archive, "r+b") as file:
        file.truncate(len(sound) // 2)
    run = (archive, "--out", out, *SIZE)

    assert there.submit(*run).code == 3

    found = rows(out)
    assert found.pop("all.tar") == "corrupt"
    assert 0 < len(found) < len(names)
    assert found.keys() < names.keys()
    assert sorted(found.values())[:2] == ["corrupt", "ok"]  # the one that is cut off, and no other
    told = there.run("failures", out)
    assert "The archive is damaged or cut off" in told.out
    assert there.run("retry", out).code == 3
    archive.write_bytes(sound)
    assert there.run("retry", out).code == 3  # it is another archive now: that is for the command
    assert rows(out)["all.tar"] == "changed"
    assert there.submit(*run).code == 0
    assert_whole(out, names)


BOTH = {"x.zip/1.png": "ok", "x.zip/2.png": "unsupported"}


def test_a_failed_member_is_retried_where_it_lies(there, tmp_path, out):
    media = tmp_path / "media"
    picture(media / "1.png")
    (media / "2.png").write_bytes(b"no picture")
    archive = py_zip(tmp_path / "x.zip", media)
    assert there.submit(archive, "--out", out, *SIZE).code == 3
    assert rows(out) == BOTH

    assert there.run("retry", out).code == 3
    assert_whole(out, BOTH)
    (shard,) = (out / "shards").iterdir()
    shard.write_bytes(b"damaged")
    there.run("retry", out, "--damaged")
    assert_whole(out, BOTH)


def test_of_names_that_stand_twice_the_last_counts(there, tmp_path, out):
    first, second = tmp_path / "1", tmp_path / "2"
    picture(first / "x.png", seed=1)
    picture(second / "x.png", seed=2)
    archive = py_tar(tmp_path / "x.tar", first)
    with tarfile.open(archive, "a") as tar:
        tar.add(second / "x.png", "x.png")
    run = ("--size", "32x24", "--encoding", "png")

    assert there.submit(archive, "--out", out, *run).code == 0
    assert there.submit(second, "--out", tmp_path / "there", *run).code == 0

    (here,), (there,) = open_shards(out), open_shards(tmp_path / "there")
    assert np.array_equal(here.frames(), there.frames())


def test_duplicates_and_annotations_know_members(there, classes, tmp_path, out):
    archive = py_zip(tmp_path / "all.zip", classes)
    shutil.copy(classes / "cat" / "1.png", classes / "same.png")
    (tmp_path / "all.csv").write_text("path,label\nall.zip/cat/1.png,tom\nall.zip/dog/3.mp4,rex\n")
    both = (archive, classes, "--out", out, *SIZE, "--dedup", "exact")
    assert there.submit(*both).code == 0
    kept = {path for path, became in rows(out).items() if became == "ok"}
    assert kept == {f"all.zip/{label}/{n}" for label in ("cat", "dog") for n in FILES}

    said = there.submit(
        archive, "--out", tmp_path / "said", *SIZE, "--labels", tmp_path / "all.csv"
    )
    assert said.code == 0, said.err
    labels = {clip.path: clip.label for clip in open_shards(tmp_path / "said")}
    assert labels == {"all.zip/cat/1.png": "tom", "all.zip/dog/3.mp4": "rex"}


def test_what_a_run_over_an_archive_comes_to_is_foreseen(there, classes, tmp_path, out):
    shutil.move(py_tar(tmp_path / "more.tar", classes), classes / "more.tar")
    run = (classes, "--archives", "--out", out, *SIZE, "--json")

    plan, done = there.run("plan", *run), there.submit(*run)

    assert (plan.code, done.code) == (0, 0), plan.err
    assert plan.json["inputs"] == plan.json["sampled"] == 12
    assert plan.json["frames"]["value"] == done.json["frames"] == 30


def test_another_file_is_no_directory(there, tmp_path, out):
    (tmp_path / "notes.txt").write_text("")

    assert "a tar or a zip" in there.submit(tmp_path / "notes.txt", "--out", out).only_sentence
