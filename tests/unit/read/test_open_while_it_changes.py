"""A data set is opened at any moment of a job that runs again, without waiting for it."""

import os
import time

import pytest

from out_dir import OutDir, Video
from shardmill.contract.errors import DatasetDamaged
from shardmill.read import committed, index_file, open_shards
from shardmill.report import summary


@pytest.fixture
def out(tmp_path):
    """A job of three shards that has ended, an hour after its last commit."""
    out = OutDir(str(tmp_path / "out"))
    for batch, path in (("b0", "a.mp4"), ("b1", "b.mp4"), ("b2", "c.mp4")):
        out.shard(batch, Video(path, frames=1))
    old_s = time.time() - 3600
    os.utime(out.layout.manifest, (old_s, old_s))
    summary.finish(out.job())
    return out


def withdraw(out, batch):
    """Remove a shard as the job does: first the part, which alone commits it."""
    shard = f"part-{batch}-a1.tfrecord"
    for path in (out.layout.part(batch), *out.layout.files_of(shard)):
        os.unlink(path)


class Opens:
    """Stands for ``open_to_read``: does something before a certain file is opened, once each."""

    def __init__(self, monkeypatch):
        self.paths, self._before = [], {}
        self._open = committed.open_to_read
        monkeypatch.setattr(committed, "open_to_read", self)
        monkeypatch.setattr(index_file, "open_to_read", self)

    def before(self, path, do):
        self._before.setdefault(path, []).append(do)

    def __call__(self, path):
        self.paths.append(path)
        if steps := self._before.get(path):
            steps.pop(0)()
        return self._open(path)


@pytest.fixture
def opens(monkeypatch):
    return Opens(monkeypatch)


def paths_of(out, **wish):
    return [clip.path for clip in open_shards(out.out, **wish)]


WISHES = [{}, {"where": "size_bytes = 1000"}]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_the_table_of_all_rows_may_go_before_it_is_read(out, opens, wish):
    opens.before(out.layout.files, lambda: os.unlink(out.layout.files))

    assert paths_of(out, **wish) == ["a.mp4", "b.mp4", "c.mp4"]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_a_part_may_go_before_it_is_read(out, opens, wish):
    os.unlink(out.layout.files)
    opens.before(out.layout.part("b1"), lambda: withdraw(out, "b1"))

    assert paths_of(out, **wish) == ["a.mp4", "c.mp4"]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_a_shard_may_be_withdrawn_before_its_index_is_read(out, opens, wish):
    index = out.layout.index_of("part-b0-a1.tfrecord")
    opens.before(index, lambda: withdraw(out, "b0"))

    assert paths_of(out, **wish) == ["b.mp4", "c.mp4"]


def test_a_shard_may_be_made_again_under_another_name(out, opens):
    index = out.layout.index_of("part-b0-a1.tfrecord")

    def again():
        withdraw(out, "b0")
        out.shard("b00", Video("again.mp4", frames=1))

    opens.before(index, again)

    assert paths_of(out) == ["again.mp4", "b.mp4", "c.mp4"]


def test_the_index_may_go_while_a_condition_asks_for_it(out, opens, monkeypatch):
    """Here the report's own code opens it."""
    index = out.layout.index_of("part-b0-a1.tfrecord")
    monkeypatch.setattr("shardmill.storage.files.open_to_read", opens)
    opens.before(index, lambda: withdraw(out, "b0"))

    assert paths_of(out, where="clip_id in (select clip_id from clips)") == ["b.mp4", "c.mp4"]


def test_an_index_that_is_gone_for_good_is_damage(out, opens):
    index = out.layout.index_of("part-b1-a1.tfrecord")
    os.unlink(index)

    with pytest.raises(DatasetDamaged, match=r"part-b1-a1\.arrow is missing.*shardmill verify"):
        open_shards(out.out)

    assert opens.paths.count(index) == 2, "a second look shows that nothing changed"


def test_a_directory_that_never_rests_is_given_up(out, opens):
    """Each listing names another shard, whose index is gone."""
    os.unlink(out.layout.files)
    index = out.layout.index_of("part-b0-a1.tfrecord")
    os.unlink(index)
    for number in range(100):
        opens.before(index, lambda number=number: out.shard(f"c{number}", Video(f"{number}.mp4")))

    with pytest.raises(DatasetDamaged, match=r"part-b0-a1\.arrow is missing"):
        open_shards(out.out)

    assert 2 < opens.paths.count(index) < 20
