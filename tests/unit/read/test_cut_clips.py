"""A clip that was cut for parallel work is read as one."""

import os
import pickle
import time

import numpy as np
import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video, failed
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.schema import Row
from shardmill.read import ClipDataset, open_shards
from shardmill.read.clip import stretches_of
from shardmill.report import summary

OLD_S = time.time() - 3600
SIZES = (4, 1, 6, 2)
TOTAL = sum(SIZES)
PARTS = [
    Video(
        "long.mp4",
        frames=size,
        value=10 * start,
        part=k,
        parts=4,
        first=start,
        label="l",
        label_id=2,
    )
    for k, (size, start) in enumerate(zip(SIZES, (0, 4, 5, 11), strict=True))
]
BATCHES = ("b7", "b2", "b9", "b4")
"""Of the parts: their shards sort as part 1, 3, 0, 2."""


def write(folder, *, finished: bool, spare: bool = True) -> OutDir:
    out = OutDir(str(folder))
    if spare:
        out.shard("b1", Video("a.mp4", frames=5, value=200), Video("b.mp4", frames=3, value=210))
        out.shard("b5", Video("c.mp4", frames=4, value=220, label="k", label_id=1))
    for batch, part in zip(BATCHES, PARTS, strict=True):
        out.shard(batch, part)
    return end(out, finished=finished)


def end(out: OutDir, *, finished: bool) -> OutDir:
    os.utime(out.layout.manifest, (OLD_S, OLD_S))
    job = out.job()
    if finished:
        summary.finish(job)
    return out


@pytest.fixture(params=[False, True], ids=["in work", "finished"])
def out(request, tmp_path) -> OutDir:
    return write(tmp_path, finished=request.param)


def long_clip(clips):
    (found,) = (clip for clip in clips if clip.path == "long.mp4")
    return found


EXPECTED = np.concatenate([
    (part.value + np.arange(part.frames)) for part in PARTS
])  # fmt: skip
"""The grey of each frame of the whole."""


def test_a_clip_is_its_parts_in_the_order_of_time(out):
    clips = open_shards(out.out)
    clip = long_clip(clips)

    assert len(clips) == 4
    assert sorted(clips.lengths().tolist()) == [3, 4, 5, TOTAL]
    assert len(clip) == TOTAL
    assert clip.pts_ns.tolist() == [n * 40_000_000 for n in range(TOTAL)]
    assert np.abs(clip.frames()[:, 0, 0, 0].astype(int) - EXPECTED).max() <= 1
    assert (clip.label, clip.label_ids, clip.clip_id) == ("l", (2,), PARTS[0].clip_id)
    assert len({part.file for part in clip.parts}) == 4


@pytest.mark.parametrize(
    "numbers",
    [[], [0], [12], [3, 4, 5], list(range(13)), [12, 0, 11, 4, 4, 5], [2, 3] * 3],
    ids=str,
)
def test_frames_come_from_all_parts_in_any_order(out, numbers):
    clips = open_shards(out.out)
    number = [clip.path for clip in clips].index("long.mp4")
    numbers = np.array(numbers, np.int64)

    excerpt = clips.excerpt(number, numbers)
    pixels = excerpt.canvas(numbers.size)
    excerpt.decode(pixels)

    assert excerpt.pts_ns.tolist() == [n * 40_000_000 for n in numbers]
    assert np.abs(pixels[:, 0, 0, 0].astype(int) - EXPECTED[numbers]).max(initial=0) <= 1
    assert np.array_equal(clips[number].frames()[numbers], pixels)


@pytest.mark.parametrize("options", [
    {"window": 5}, {"window": 3, "stride": 4}, {"window": 20, "short": "pad"},
    {"window": 20, "short": "loop"}, {"window": None, "sample": "center"},
], ids=str)  # fmt: skip
def test_windows_across_seams_are_those_of_the_whole(tmp_path, options):
    """The same frames in one shard, uncut."""
    cut = write(tmp_path / "cut", finished=True, spare=False)
    uncut = OutDir(str(tmp_path / "uncut"))
    uncut.shard("b0", *PARTS)
    whole = uncut.clips["part-b0-a1.tfrecord"]
    frames = replace(
        whole[0].frames,
        **{
            name: np.concatenate([getattr(clip.frames, name) for clip in whole])
            for name in ("offset", "length", "pts_ns", "source_index", "keyframe")
        },
    )
    clip = replace(whole[0], clip_parts=1, frames=frames)
    uncut.index(clip.shard, [clip])
    row = uncut.rows["b0"][0]
    uncut.part("b0", replace(row, item=replace(row.item, segments=1, end_ns=None)))
    uncut.job()

    ours, theirs = ClipDataset(cut.out, **options), ClipDataset(uncut.out, **options)

    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_window_within_a_part_reads_that_part_alone(out, monkeypatch):
    clips = open_shards(out.out)
    number = [clip.path for clip in clips].index("long.mp4")
    opened = []
    real = os.open

    def spy(path, *args, **kwargs):
        opened.append(os.path.basename(os.fspath(path)))
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", spy)
        excerpt = clips.excerpt(number, np.arange(6, 9))
        excerpt.decode(excerpt.canvas(3))

    assert {name.partition("-a1")[0] for name in opened if "part-" in name} == {"part-b9"}


def of_part(out: OutDir, part: int) -> Row:
    (row,) = out.rows[BATCHES[part]]
    return row


def with_outcome(out: OutDir, part: int, **changes: object) -> None:
    row = of_part(out, part)
    out.part(BATCHES[part], replace(row, outcome=replace(row.outcome, **changes)))


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_a_clip_that_lacks_a_part_is_not_there(tmp_path, part, finished):
    out = write(tmp_path, finished=False)
    row = of_part(out, part)
    out.part(BATCHES[part], replace(row, outcome=failed("x", "crash").outcome))
    end(out, finished=finished)

    assert sorted(clip.path for clip in open_shards(out.out)) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_clip_in_work_is_not_there_before_its_last_part(tmp_path):
    out = write(tmp_path, finished=False)
    os.unlink(out.layout.part(BATCHES[2]))

    assert len(open_shards(out.out)) == 3


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(("part", "frames"), [(0, 4), (1, 5), (3, 13)])
def test_a_clip_ends_with_its_first_damaged_part(tmp_path, part, frames, finished):
    out = write(tmp_path, finished=False)
    for damaged in range(part, 4):
        with_outcome(out, damaged, error_class="corrupt", error_message="bad")
    end(out, finished=finished)

    clip = long_clip(open_shards(out.out))

    assert len(clip) == frames
    assert np.abs(clip.frames()[:, 0, 0, 0].astype(int) - EXPECTED[:frames]).max() <= 1


def test_clips_that_were_cut_are_chosen_like_others(out):
    assert [clip.path for clip in open_shards(out.out, labels="l")] == ["long.mp4"]
    assert [clip.path for clip in open_shards(out.out, where="parts > 1")] == ["long.mp4"]
    assert len(open_shards(out.out, where="frames_kept < 13")) == 3
    assert "1 of 4 clips" in open_shards(out.out, labels="l").chosen_by


def test_parts_of_clips_survive_slices_and_pickles(out):
    clips = open_shards(out.out)

    again = pickle.loads(pickle.dumps(clips[1:]))

    assert len(again) == 3
    assert long_clip(again) == long_clip(clips)
    assert again.fingerprint() == clips[1:].fingerprint()


def test_the_checksum_of_each_part_is_compared(out):
    name = next(name for name in out.clips if BATCHES[2] in name)
    path = out.layout.shard(name)
    with open(path, "rb+") as file:
        file.seek(int(out.clips[name][0].frames.offset[1]) + 200)
        file.write(b"\xff\x00")
    clips = open_shards(out.out, check=True)

    with pytest.raises(DatasetDamaged, match="checksum"):
        list(clips)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 16}, "parts of several sizes"),
        ({"encoding": "png"}, "parts of several encodings"),
        ({"clip_part": 1}, "lacks a part, or has one twice"),
    ],
)
def test_parts_that_do_not_fit_are_damage(out, changes, message):
    name = next(name for name in out.clips if BATCHES[2] in name)
    out.edit_clip(name, 0, **changes)

    with pytest.raises(DatasetDamaged, match=message):
        open_shards(out.out)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], []),
        ([0, 1, 2], [(0, slice(0, 3))]),
        ([3, 4, 5], [(0, slice(0, 1)), (1, slice(1, 2)), (2, slice(2, 3))]),
        ([5, 0, 6], [(2, slice(0, 1)), (0, slice(1, 2)), (2, slice(2, 3))]),
    ],
)
def test_frames_fall_into_stretches(numbers, expected):
    edges = np.array([0, 4, 5, 11])

    assert list(stretches_of(np.array(numbers, np.int64), edges)) == expected
