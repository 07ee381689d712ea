"""Only what shardmill made and no committed batch needs is found and removed."""

import os
from pathlib import Path

import pytest

from out_dir import OutDir, Video
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset import leftovers
from shardmill.dataset.leftovers import empty_folders, end_attempts, everything, find, remove


@pytest.fixture
def out(tmp_path: Path) -> OutDir:
    """One committed shard and one orphan, a file in the making, and other people's files."""
    out = OutDir(str(tmp_path / "out"))
    out.shard("b1", Video("a"))
    out.shard("b2", Video("b"), commit=False)
    out.job()
    for name, size_bytes in {
        ".tmp/b3-1ab.parquet": 10,
        "job.json.0123456789abcdef.tmp": 20,
        "notes.txt": 5,
        "job.json.bak": 5,
        "shards/README": 5,
        "shards/part-of-my-thesis.tar": 5,
        "shards/part-b2-a1.tfrecord.bak": 5,
        "index/part-b2-a1.txt": 5,
    }.items():
        Path(out.out, name).write_bytes(b"x" * size_bytes)
    return out


def tree(out: OutDir) -> set[str]:
    root = Path(out.out)
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


ORPHANS = {
    ".tmp/b3-1ab.parquet",
    "job.json.0123456789abcdef.tmp",
    "index/part-b2-a1.arrow",
    "index/part-b2-a1.idx",
    "shards/part-b2-a1.tfrecord",
}


def test_orphans_go_and_everything_else_stays(out):
    before = tree(out)
    found = find(out.layout)

    assert {each.path for each in found} == ORPHANS
    sizes = {each.path: each.size_bytes for each in found}
    assert sizes == {path: os.stat(os.path.join(out.out, path)).st_size for path in ORPHANS}
    remove(out.layout, found)
    assert tree(out) == before - ORPHANS
    assert find(out.layout) == []
    remove(out.layout, found)  # gone already


def test_links_are_neither_followed_nor_removed(out, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    treasure = elsewhere / "part-b9-1ab.tfrecord"
    treasure.write_text("gold")
    os.symlink(treasure, os.path.join(out.layout.shards, "part-b8-1ab.tfrecord"))
    os.rename(out.layout.index, tmp_path / "index")
    os.symlink(elsewhere, out.layout.index)
    (elsewhere / "part-b7-1ab.arrow").write_text("gold")

    found = find(out.layout)

    assert {each.path for each in found} == {path for path in ORPHANS if "index" not in path}
    remove(out.layout, [*found, *empty_folders(out.layout, without=found)])
    assert sorted(os.listdir(elsewhere)) == ["part-b7-1ab.arrow", "part-b9-1ab.tfrecord"]
    assert os.path.islink(os.path.join(out.layout.shards, "part-b8-1ab.tfrecord"))


def test_a_folder_that_becomes_a_link_meanwhile_is_not_entered(out, tmp_path):
    found = find(out.layout)
    elsewhere = tmp_path / "elsewhere"
    os.rename(out.layout.shards, elsewhere)
    os.symlink(elsewhere, out.layout.shards)

    with pytest.raises(OSError, match="shards"):
        remove(out.layout, found)

    assert (elsewhere / "part-b2-a1.tfrecord").exists()


def test_an_ended_attempt_finds_nothing_to_commit_and_is_left_over(out):
    for name in ("b3-1ab", "mine", "b4-2ab"):
        os.mkdir(os.path.join(out.layout.tmp, name))
        Path(out.layout.tmp, name, "rows.parquet").touch()

    for _ in range(2):  # as where the first one was killed before it could remove anything
        end_attempts(out.layout)

    assert not any(os.path.exists(out.layout.attempt(batch, "1ab")) for batch in ("b3", "b4"))
    remove(out.layout, find(out.layout))
    assert [path for path in tree(out) if path.startswith(".tmp/")] == [".tmp/mine/rows.parquet"]


def test_attempts_behind_a_link_are_not_ended(out, tmp_path):
    os.rename(out.layout.tmp, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", out.layout.tmp)
    os.mkdir(out.layout.attempt("b3", "1ab"))

    end_attempts(out.layout)

    assert os.path.isdir(tmp_path / "elsewhere" / "b3-1ab")


def test_folders_of_splits_that_will_be_empty_are_found_and_no_others(tmp_path):
    out = OutDir(str(tmp_path / "out"))
    for folder in (out.layout.shards, out.layout.index):
        for split in ("train", "val"):
            os.mkdir(os.path.join(folder, split))
    Path(out.layout.tmp, "x").touch()
    Path(out.layout.shards, "train", "part-b1-1ab.tfrecord").touch()
    Path(out.layout.index, "val", "mine.txt").touch()
    os.mkdir(os.path.join(out.layout.shards, "My own"))
    found = find(out.layout)

    folders = empty_folders(out.layout, without=found)

    assert {each.path for each in folders} == {"shards/train", "shards/val", "index/train"}
    remove(out.layout, [*found, *folders])
    assert tree(out) == {"index/val/mine.txt"}
    assert sorted(os.listdir(out.out)) == [".tmp", ".work", "index", "manifest", "shards"]
    assert os.listdir(out.layout.shards) == ["My own"]


def test_nothing_is_called_an_orphan_while_a_part_cannot_be_read(out):
    Path(out.layout.part("b1")).write_bytes(b"not parquet")

    with pytest.raises(DatasetDamaged, match="part-b1"):
        find(out.layout)


def test_everything_of_a_job_is_all_but_other_peoples_files(out):
    out.index("part-b1-a1.tfrecord", out.clips["part-b1-a1.tfrecord"])
    Path(out.layout.summary).touch()

    remove(out.layout, leftovers.everything(out.layout))

    assert tree(out) == {
        *("job.json", "job.json.bak", "notes.txt", "index/part-b2-a1.txt"),
        *("shards/README", "shards/part-of-my-thesis.tar", "shards/part-b2-a1.tfrecord.bak"),
    }
    assert everything(out.layout) == []
