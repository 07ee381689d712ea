"""Every path below OUT is built in one place, and none leads out of it."""

import os

import pytest

from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.layout import Layout, shard_name

OUT = Layout("/data/out")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (OUT.job, "job.json"),
        (OUT.classes, "classes.json"),
        (OUT.summary, "summary.json"),
        (OUT.files, "files.parquet"),
        (OUT.shards, "shards"),
        (OUT.index, "index"),
        (OUT.manifest, "manifest"),
        (OUT.part("ab12"), "manifest/part-ab12.parquet"),
        (OUT.shard("part-ab12-7.tfrecord"), "shards/part-ab12-7.tfrecord"),
        (OUT.index_of("part-ab12-7.tfrecord"), "index/part-ab12-7.arrow"),
        (OUT.index_of("part-ab12-7.1.tar"), "index/part-ab12-7.1.arrow"),
        (OUT.record_index_of("part-ab12-7.tfrecord"), "index/part-ab12-7.idx"),
    ],
)
def test_files_lie_where_the_documentation_says(path, place):
    assert path == f"/data/out/{place}"


def test_a_shard_is_named_after_batch_and_attempt():
    assert shard_name("ab12", "7", "tfrecord") == "part-ab12-7.tfrecord"
    assert shard_name("ab12", "7", "tfrecord", number=2) == "part-ab12-7.2.tfrecord"


@pytest.mark.parametrize(
    ("shard_format", "suffix"),
    [("tfrecord", ".tfrecord"), ("hdf5", ".h5"), ("webdataset", ".tar"), ("npy", ".npy")],
)
def test_a_shard_has_the_suffix_that_its_world_expects(shard_format, suffix):
    name = shard_name("ab12", "7", shard_format)

    assert os.path.splitext(name) == ("part-ab12-7", suffix)
    assert OUT.shard(name) == f"/data/out/shards/{name}"


@pytest.mark.parametrize(
    "name",
    [
        *("../job.json", "/etc/passwd", "a/part-x.tfrecord", "a.json", ""),
        *("part-x.json", "part-x", "part-x.tfrecord/", "part-x.tfrecord\n"),
    ],
)
def test_a_shard_named_outside_is_refused(name):
    with pytest.raises(DatasetDamaged, match="shard's file name"):
        OUT.shard(name)


def test_making_it_twice_changes_nothing(tmp_path):
    layout = Layout(str(tmp_path / "deep" / "out"))
    layout.make()
    layout.make()

    assert sorted(os.listdir(layout.out)) == [".tmp", "index", "manifest", "shards"]


def test_only_committed_parts_are_listed_in_order(tmp_path):
    layout = Layout(str(tmp_path))
    layout.make()
    for name in ("part-b.parquet", "part-a.parquet", "part-c.parquet.tmp", "notes.txt"):
        (tmp_path / "manifest" / name).touch()

    assert layout.parts() == [layout.part("a"), layout.part("b")]
    assert Layout(str(tmp_path / "nowhere")).parts() == []
