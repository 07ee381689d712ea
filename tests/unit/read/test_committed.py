"""The shards that count are those of committed parts, whichever table tells of them."""

import os
import time
from pathlib import Path

import pytest

from out_dir import OutDir, Video, failed
from shardmill.contract.errors import DatasetDamaged
from shardmill.read.committed import Manifest
from shardmill.report import summary

OLD_S = time.time() - 3600


@pytest.fixture
def finished(tmp_path) -> OutDir:
    """A job of three parts that has ended, an hour after its last commit."""
    out = OutDir(str(tmp_path / "out"))
    out.shard("b0", Video("a.mp4"), Video("b.mp4"), split="train")
    out.shard("b1", Video("c.mp4"))
    out.part("b2", failed("x.mp4", "corrupt"))
    out.shard("b3", Video("d.mp4"), commit=False)
    os.utime(out.layout.manifest, (OLD_S, OLD_S))
    summary.finish(out.job())
    return out


def of_parts(out: OutDir) -> list[str]:
    """What the parts alone tell."""
    return sorted({row.outcome.shard for rows in out.rows.values() for row in rows} - {None})


def test_a_finished_job_tells_the_shards_of_its_parts(finished):
    told = Manifest(finished.out).shards()

    assert told == of_parts(finished)
    assert len(told) == 2


def test_a_finished_job_is_opened_by_its_table_alone(finished):
    told = of_parts(finished)
    for batch in finished.rows:
        os.truncate(finished.layout.part(batch), 0)

    assert Manifest(finished.out).shards() == told


def test_a_part_that_comes_later_counts(finished):
    finished.shard("b4", Video("e.mp4"))

    assert Manifest(finished.out).shards() == of_parts(finished)
    assert len(of_parts(finished)) == 3


def test_a_part_that_goes_counts_no_more(finished):
    os.unlink(finished.layout.part("b1"))
    del finished.rows["b1"]

    assert Manifest(finished.out).shards() == of_parts(finished)


def test_a_copy_whose_times_tell_nothing_is_read_by_its_parts(finished):
    now = time.time()
    for path in (finished.layout.manifest, finished.layout.files):
        os.utime(path, (now, now))
    Path(finished.layout.files).write_bytes(b"garbage")
    os.utime(finished.layout.files, (now, now))

    assert Manifest(finished.out).shards() == of_parts(finished)


def test_a_damaged_table_is_named(finished):
    Path(finished.layout.files).write_bytes(b"garbage")

    with pytest.raises(DatasetDamaged, match=r"files\.parquet"):
        Manifest(finished.out).shards()
