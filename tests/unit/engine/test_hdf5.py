"""An HDF5 shard, opened by h5py."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import h5py
import numpy as np
import pytest

from made_clips import HEIGHT, WIDTH, clip_of, raw_clip
from shardmill.contract.schema import Item
from shardmill_worker.engine.shards import open_shard


def written(path, *clips) -> list:
    writer = open_shard("hdf5", str(path))
    placed = [writer.add(clip) for clip in clips]
    writer.finish()
    return placed


def test_a_plain_loop_reads_every_clip_in_order(tmp_path):
    """The names are hashes, and yet the clips come as they lie in the file."""
    clips = [clip_of([5, 7, 1], clip_id="f0"), clip_of([9], clip_id="a1"), clip_of([3] * 99)]
    written(tmp_path / "shard.h5", *clips)

    found = {}
    with h5py.File(tmp_path / "shard.h5") as shard:
        for name, clip in shard.items():
            data, edges = clip["frames"][:], clip["offsets"][:]
            found[name] = [data[a:b].tobytes() for a, b in pairwise(edges)]

    assert list(found) == ["f0", "a1", "0" * 16]
    assert list(found.values()) == [[frame.data for frame in clip.frames] for clip in clips]


def test_raw_frames_are_an_array(tmp_path):
    written(tmp_path / "shard.h5", raw_clip(4))

    with h5py.File(tmp_path / "shard.h5") as shard:
        frames = shard["0" * 16]["frames"]
        assert (frames.shape, frames.dtype) == ((4, HEIGHT, WIDTH, 3), np.uint8)
        assert [int(frame.max()) for frame in frames] == [0, 1, 2, 3]
        assert "offsets" not in shard["0" * 16]


def test_the_frames_are_where_hdf5_itself_says(tmp_path):
    clips = [clip_of([50, 70], clip_id=f"{number:016x}") for number in range(20)]
    placed = written(tmp_path / "shard.h5", *clips)

    with h5py.File(tmp_path / "shard.h5") as shard:
        frames = [shard[clip.clip_id]["frames"] for clip in clips]
        assert [data.id.get_offset() for data in frames] == [p.record_offset for p in placed]
        assert [data.nbytes for data in frames] == [p.record_length for p in placed]
        layouts = {data.id.get_create_plist().get_layout() for data in frames}
    assert layouts == {h5py.h5d.CONTIGUOUS}


@pytest.mark.parametrize(
    ("item", "text", "label"),
    [
        pytest.param({"label": "springen é", "label_id": 3}, "springen é", 3, id="labelled"),
        pytest.param({}, "", -1, id="unlabelled"),
    ],
)
def test_what_is_known_of_a_clip_are_its_attributes(tmp_path, item, text, label):
    path = os.fsdecode(b"a/\xff\n.mp4")
    clip = clip_of([5, 6], item=Item(path=path, size_bytes=1, mtime_ns=1, **item))
    written(tmp_path / "shard.h5", clip)

    with h5py.File(tmp_path / "shard.h5") as shard:
        group = shard["0" * 16]
        assert dict(group.attrs) == {
            "filename": path,
            "class_text": text,
            "class_label": label,
            "encoding": "jpeg",
            "num_frames": 2,
            "height": HEIGHT,
            "width": WIDTH,
            "channels": 3,
            "fps": 29.97,
        }
        assert group["pts_ns"][:].tolist() == [0, 10]


def test_an_annotated_clip_has_all_its_classes_and_the_other_columns(tmp_path):
    said = {"labels": ("é", "b"), "label_ids": (4, 1), "extra": '{"n":[1.5]}'}
    item = Item(path="a.mp4", size_bytes=1, mtime_ns=1, **said)
    written(tmp_path / "shard.h5", clip_of([5], item=item))

    with h5py.File(tmp_path / "shard.h5") as shard:
        about = shard["0" * 16].attrs
        assert (about["class_text"], about["class_label"]) == ("é", 4)
        assert (list(about["class_texts"]), about["class_labels"].tolist()) == (["é", "b"], [4, 1])
        assert about["extra"] == '{"n":[1.5]}'


def test_no_object_tells_when_it_was_made(tmp_path):
    """A time of whole seconds would show only in files that were not made in the same one."""
    written(tmp_path / "shard.h5", clip_of([5]), clip_of([6], clip_id="a1"))

    kept = {}
    with h5py.File(tmp_path / "shard.h5") as shard:
        kept["/"] = shard["/"].id.get_create_plist().get_obj_track_times()
        shard.visititems(
            lambda name, thing: kept.update(
                {name: thing.id.get_create_plist().get_obj_track_times()}
            )
        )
    assert len(kept) == 1 + 2 * 4
    assert not any(kept.values())


def test_the_file_is_of_the_oldest_kind_with_checksums(tmp_path):
    """Version 2 of the superblock: HDF5 1.8 of 2008 reads it."""
    written(tmp_path / "shard.h5", clip_of([5]))

    data = (tmp_path / "shard.h5").read_bytes()

    assert data[:8] == b"\x89HDF\r\n\x1a\n"
    assert data[8] == 2


def test_many_open_files_are_read_by_many_threads_at_once(tmp_path):
    """As a loader does: each file is opened once, and any thread reads any of them."""
    paths = [tmp_path / f"{number}.h5" for number in range(6)]
    for number, path in enumerate(paths):
        written(path, *(clip_of([9, number + 1], clip_id=f"{k:016x}") for k in range(10)))
    shards = [h5py.File(path) for path in paths]

    def last_frame(task: int) -> bytes:
        clip = shards[task % 6][f"{task // 6 % 10:016x}"]
        return clip["frames"][clip["offsets"][1] :].tobytes()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(last_frame, range(600)))
    for shard in shards:
        shard.close()

    assert found == [b"\x01" * (task % 6 + 1) for task in range(600)]
