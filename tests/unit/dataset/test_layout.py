"""Every path below OUT is built in one place, and none leads out of it."""

import os

import pytest

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.layout import Layout, shard_name, split_of

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
        (OUT.shard("val/part-ab12-7.tar"), "shards/val/part-ab12-7.tar"),
        (OUT.index_of("val/part-ab12-7.1.tar"), "index/val/part-ab12-7.1.arrow"),
        (OUT.record_index_of("val/part-ab12-7.tfrecord"), "index/val/part-ab12-7.idx"),
    ],
)
def test_files_lie_where_the_documentation_says(path, place):
    assert path == f"/data/out/{place}"


def test_a_shard_is_named_after_batch_and_attempt():
    assert shard_name("ab12", "7", "tfrecord") == "part-ab12-7.tfrecord"
    assert shard_name("ab12", "7", "tfrecord", number=2) == "part-ab12-7.2.tfrecord"
    assert shard_name("ab12", "7", "tfrecord", split="val") == "val/part-ab12-7.tfrecord"


def test_a_shard_tells_its_split():
    assert split_of("val/part-ab12-7.tfrecord") == "val"
    assert split_of("part-ab12-7.tfrecord") is None


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
        *("../job.json", "/etc/passwd", "a/b/part-x.tfrecord", "a.json", ""),
        *("../part-x.tfrecord", ".tmp/part-x.tfrecord", "/part-x.tfrecord", "a\n/part-x.tar"),
        *("part-x.json", "part-x", "part-x.tfrecord/", "part-x.tfrecord\n"),
    ],
)
def test_a_shard_named_outside_is_refused(name):
    with pytest.raises(DatasetDamaged, match="shard's file name"):
        OUT.shard(name)


def test_made_files_are_found_in_splits_too_and_nothing_else_is(tmp_path):
    layout = Layout(str(tmp_path))
    layout.make()
    made = ["shards/part-a.tar", "shards/val/part-b.tar", "index/val/part-b.arrow"]
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "part-x.tar").touch()
    (tmp_path / "shards" / "link").symlink_to(tmp_path / "elsewhere")
    for path in (*made, "shards/README", "shards/val/README", "manifest/part-c.parquet"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()

    assert sorted(layout.made_files()) == sorted(str(tmp_path / path) for path in made)
    assert layout.shard_names() == ["part-a.tar", "val/part-b.tar"]
    assert list(Layout(str(tmp_path / "nowhere")).made_files()) == []


def test_making_it_twice_changes_nothing(tmp_path):
    layout = Layout(str(tmp_path / "deep" / "out"))
    layout.make()
    layout.make()

    assert sorted(os.listdir(layout.out)) == [".tmp", ".work", "index", "manifest", "shards"]


def test_only_committed_parts_are_listed_in_order(tmp_path):
    layout = Layout(str(tmp_path))
    layout.make()
    for name in ("part-b.parquet", "part-a.parquet", "part-c.parquet.tmp", "notes.txt"):
        (tmp_path / "manifest" / name).touch()

    assert layout.parts() == [layout.part("a"), layout.part("b")]
    assert Layout(str(tmp_path / "nowhere")).parts() == []
