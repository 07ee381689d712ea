"""A dataset reads the same whatever the format of its shards, and damage to any is found."""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from made_clips import FORMATS
from shardmill.contract.spec import Spec
from shardmill.dataset.classes import write_classes
from shardmill.dataset.index import entry_at, framing_of, open_index, write_index
from shardmill.dataset.job import Job
from shardmill.read import ClipDataset, open_shards
from shardmill.report.shard_bytes import faults
from shardmill.report.verify import verify

SIZE = {"size": "40x30", "upscale": True}
WAYS = [
    (shard_format, encoding)
    for shard_format, encoding in product(FORMATS, ("jpeg", "png", "raw"))
    if encoding == "raw" or shard_format != "npy"
]


@pytest.fixture
def dataset(folder, steps):
    """Makes an output directory of two labelled videos of other sizes."""

    def make(**options) -> str:
        for name in ("a", "b"):
            (folder.root / name).mkdir(exist_ok=True)
        folder.video("a/one.mkv", steps(9))
        folder.video("b/two.mp4", steps(5, 32, 32), codec="mpeg4")
        items = [
            folder.item("a/one.mkv", label="a", label_id=0),
            folder.item("b/two.mp4", label="b", label_id=1),
        ]
        done = folder.extract(*items, **SIZE | options)
        assert [outcome.status for outcome in done.outcomes] == ["ok", "ok"]
        os.link(done.work.part_tmp, done.layout.part("batch"))
        write_classes(done.layout, {"a": 0, "b": 1})
        spec = Spec(**SIZE | options)
        goal = {"goal": "extract", "inputs": 2, "started_s": 1.0}
        Job(name="job", root=done.work.roots.paths[0], out=done.work.out, spec=spec, **goal).write()
        return done.work.out

    return make


@pytest.mark.parametrize(("shard_format", "encoding"), WAYS)
def test_one_reader_serves_every_format(dataset, shard_format, encoding):
    clips = open_shards(dataset(format=shard_format, encoding=encoding))

    assert [(clip.path, clip.label, clip.label_id) for clip in clips] == [
        ("a/one.mkv", "a", 0),
        ("b/two.mp4", "b", 1),
    ]
    for clip, count in zip(clips, (9, 5), strict=True):
        frames = clip.frames()
        assert frames.shape == (count, 30, 40, 3)
        greys = frames.mean(axis=(1, 2, 3))
        assert np.abs(greys - 20 - 10 * np.arange(count)).max() < 3
        assert clip.pts_ns.tolist() == [k * 100_000_000 for k in range(count)]
        assert np.array_equal(clip.frames(2, 4), frames[2:4])


@pytest.mark.parametrize("encoding", ["jpeg", "png", "raw"])
def test_windows_are_equal_in_every_format(dataset, folder, encoding):
    windows = {}
    for shard_format in [way for way, stored in WAYS if stored == encoding]:
        folder.out = folder.root.parent / shard_format
        data = ClipDataset(dataset(format=shard_format, encoding=encoding), window=4)
        windows[shard_format] = [data[number] for number in range(len(data))]

    first = windows.pop("tfrecord")
    assert len(first) == 6 + 2
    for others in windows.values():
        for one, other in zip(first, others, strict=True):
            assert one["clip_id"] == other["clip_id"]
            assert np.array_equal(one["frames"], other["frames"])
            assert np.array_equal(one["pts_ns"], other["pts_ns"])


@pytest.fixture
def shard(dataset, shard_format) -> Path:
    """A shard of raw frames that ``verify`` finds sound, shallow and deep."""
    out = dataset(format=shard_format, encoding="raw", max_frames=2)
    assert verify(out, deep=True).problems == ()
    (path,) = Path(out, "shards").iterdir()
    return path


def problems_of(shard: Path) -> list:
    return list(verify(str(shard.parents[1])).problems)


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_flipped_bit_is_found_wherever_it_is(shard, shard_format):
    """In each stretch of the file, and in each byte of its first and last hundred."""
    sound = shard.read_bytes()
    ends = [*range(100), *range(len(sound) - 100, len(sound))]
    unseen = []
    for position in {*ends, *range(0, len(sound), 97)}:
        shard.write_bytes(
            sound[:position] + bytes([sound[position] ^ 0x10]) + sound[position + 1 :]
        )
        if not faults_in(shard):
            unseen.append(position)

    assert unseen == []


def faults_in(shard: Path) -> list[str]:
    """What ``verify`` asks of one shard, without the rest: this is asked some hundred times."""
    index = open_index(str(shard.parents[1] / "index" / shard.with_suffix(".arrow").name))
    return list(faults(str(shard), index, deep=False))


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_missing_shard_is_found(shard, shard_format):
    shard.unlink()

    assert [problem.wrong for problem in problems_of(shard)] == ["is missing"]


@pytest.mark.parametrize("kept", [0.0, 0.5, -1])
@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_truncated_shard_is_found(shard, shard_format, kept):
    size = shard.stat().st_size
    os.truncate(shard, size - 1 if kept < 0 else int(size * kept))

    assert len(problems_of(shard)) == 1


@pytest.mark.parametrize("shard_format", FORMATS)
def test_bytes_too_many_are_found(shard, shard_format):
    with open(shard, "ab") as file:
        file.write(bytes(512))

    assert len(problems_of(shard)) == 1


@pytest.mark.parametrize(
    ("shard_format", "field", "by"),
    [
        ("hdf5", "record_offset", -1),
        ("hdf5", "record_length", 1),
        ("npy", "record_offset", 1),
        ("npy", "record_length", -1),
        ("webdataset", "record_offset", 512),
        ("webdataset", "record_length", -512),
        ("tfrecord", "record_offset", 1),
    ],
)
def test_an_index_that_moves_a_record_is_found(shard, shard_format, field, by):
    path = str(shard.parents[1] / "index" / shard.with_suffix(".arrow").name)
    table = open_index(path)
    entries = [entry_at(table, row) for row in range(table.num_rows)]
    moved = replace(entries[1], **{field: getattr(entries[1], field) + by})
    framing = framing_of(table)
    os.unlink(path)
    write_index(path, [entries[0], moved], framing)

    assert problems_of(shard)[0].file == f"shards/{shard.name}"


@pytest.mark.parametrize("shard_format", FORMATS)
def test_an_index_that_moves_a_frame_by_one_byte_is_found(shard, shard_format):
    path = str(shard.parents[1] / "index" / shard.with_suffix(".arrow").name)
    table = open_index(path)
    entries = [entry_at(table, row) for row in range(table.num_rows)]
    frames = replace(entries[0].frames, offset=entries[0].frames.offset + np.array([1, 0]))
    framing = framing_of(table)
    os.unlink(path)
    write_index(path, [replace(entries[0], frames=frames), entries[1]], framing)

    assert problems_of(shard)
