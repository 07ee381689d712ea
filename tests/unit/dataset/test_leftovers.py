"""What belongs to no committed batch goes; what is committed, or another run's, stays."""

import os
from pathlib import Path

import pytest

from out_dir import OutDir, Video, skipped
from shardmill.dataset.leftovers import find, remove

OURS, THEIRS = "77aa", "88bb"
LEFT = {
    "shards/part-b1-1{}.tfrecord",
    "shards/part-b1-1{}.1.tfrecord",
    "shards/part-b6-12{}.h5",
    "index/part-b6-12{}.arrow",
    "index/part-b6-12{}.idx",
    "shards/val/part-b8-1{}.tar",
    "index/val/part-b8-1{}.arrow",
    ".tmp/b7-3{}/rows.parquet",
    ".tmp/b7-3{}/part-b7-3{}.tfrecord",
    ".tmp/b7-4{}/b7-3{}/rows.parquet",
}
"""What attempts that died left behind, by the name of their run."""
HALF_WRITTEN = {
    ".tmp/files-0123456789abcdef0123456789abcdef.parquet",
    "summary.json.0123456789abcdef.tmp",
}
A_PRODUCERS = {"job.json.fedcba9876543210.tmp"}
OTHERS = {"shards/README", "notes.tmp"}


@pytest.fixture
def out(tmp_path) -> OutDir:
    out = OutDir(tmp_path / "out")
    out.shard("b1", Video("a"))
    out.part("b2", skipped("b.mp3"))
    return out


def files_of(out: OutDir) -> set[str]:
    root = Path(out.out)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def put(out: OutDir, names: set[str]) -> set[str]:
    for name in names:
        path = Path(out.out, name)
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    return names


def of(run: str) -> set[str]:
    return {name.replace("{}", run) for name in LEFT}


def test_whatever_no_part_names_is_removed(out):
    committed = files_of(out)
    others = put(out, OTHERS)
    put(out, of(OURS) | of(THEIRS) | HALF_WRITTEN | A_PRODUCERS | {".tmp/part-b2.parquet"})

    remove(out.layout, find(out.layout))

    assert files_of(out) == committed | others
    assert os.listdir(out.layout.tmp) == []


def test_the_end_of_a_run_leaves_other_runs_alone(out):
    committed = files_of(out)
    others = put(out, OTHERS | A_PRODUCERS | of(THEIRS))
    put(out, of(OURS) | HALF_WRITTEN)

    remove(out.layout, find(out.layout, run=OURS))

    assert files_of(out) == committed | others
