"""A WebDataset shard, opened by the standard library's tarfile; the library itself reads whole
jobs in the integration tests."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from msgspec.structs import force_setattr

from made_clips import HEIGHT, WIDTH, clip_of, raw_clip
from shardmill.contract.schema import Item
from shardmill_worker.engine.shards import open_shard


def written(path, *clips) -> list:
    writer = open_shard("webdataset", str(path))
    placed = [writer.add(clip) for clip in clips]
    writer.finish()
    return placed


def members(path) -> dict[str, bytes]:
    """Every file of an archive, in its order."""
    with tarfile.open(path, "r:") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize(("encoding", "suffix"), [("jpeg", "jpg"), ("png", "png")])
def test_a_clip_is_one_sample_and_a_frame_one_picture(tmp_path, encoding, suffix):
    clips = [clip_of([511, 512, 513], clip_id="f0", encoding=encoding), clip_of([1], clip_id="a1")]
    written(tmp_path / "shard.tar", *clips)

    found = members(tmp_path / "shard.tar")

    assert list(found) == [
        *("f0.json", "f0.cls"),
        *(f"f0.000000.{suffix}", f"f0.000001.{suffix}", f"f0.000002.{suffix}"),
        *("a1.json", "a1.cls", "a1.000000.jpg"),
    ]
    pictures = [found[name] for name in found if name.endswith((".jpg", ".png"))]
    assert pictures == [frame.data for clip in clips for frame in clip.frames]


def test_raw_frames_are_arrays_that_numpy_loads(tmp_path):
    (placed,) = written(tmp_path / "shard.tar", raw_clip(3, clip_id="f0"))

    found = members(tmp_path / "shard.tar")

    frames = [np.load(io.BytesIO(found[f"f0.00000{number}.npy"])) for number in range(3)]
    assert [(frame.shape, frame.dtype) for frame in frames] == [((HEIGHT, WIDTH, 3), np.uint8)] * 3
    assert [int(frame.max()) for frame in frames] == [0, 1, 2]
    data = (tmp_path / "shard.tar").read_bytes()
    assert data[placed.frame_offset[1] :].startswith(frames[1].tobytes())


@pytest.mark.parametrize(
    ("item", "text", "label"),
    [
        pytest.param({"label": "jump", "label_id": 3}, "jump", 3, id="labelled"),
        pytest.param({}, "", -1, id="unlabelled"),
    ],
)
def test_what_is_known_of_a_clip_lies_beside_its_frames(tmp_path, item, text, label):
    path = os.fsdecode(b"a/\xff\n.mp4")
    clip = clip_of([5, 6], clip_id="f0", item=Item(path=path, size_bytes=1, mtime_ns=1, **item))
    written(tmp_path / "shard.tar", clip)

    found = members(tmp_path / "shard.tar")

    assert int(found["f0.cls"]) == label
    assert json.loads(found["f0.json"]) == {
        "filename": r"a/\udcff\n.mp4",
        "class_text": text,
        "class_label": label,
        "encoding": "jpeg",
        "num_frames": 2,
        "height": HEIGHT,
        "width": WIDTH,
        "channels": 3,
        "fps": 29.97,
        "pts_ns": [0, 10],
    }


def test_an_annotated_clip_has_all_its_classes_and_the_other_columns(tmp_path):
    said = {"labels": ("é", "b"), "label_ids": (4, 1), "extra": '{"n":[1.5]}'}
    item = Item(path="a.mp4", size_bytes=1, mtime_ns=1, **said)
    written(tmp_path / "shard.tar", clip_of([5], clip_id="f0", item=item))

    found = members(tmp_path / "shard.tar")

    assert int(found["f0.cls"]) == 4
    about = json.loads(found["f0.json"])
    assert (about["class_text"], about["class_label"]) == ("é", 4)
    assert (about["class_texts"], about["class_labels"]) == (["é", "b"], [4, 1])
    assert about["extra"] == {"n": [1.5]}


def test_no_member_tells_of_time_or_owner(tmp_path):
    written(tmp_path / "shard.tar", clip_of([5], clip_id="f0"))

    with tarfile.open(tmp_path / "shard.tar", "r:") as archive:
        for member in archive:
            about = (member.mtime, member.uid, member.gid, member.uname, member.gname)
            assert about == (0, 0, 0, "", "")
            assert (member.mode, member.isreg()) == (0o644, True)


def test_the_names_of_a_long_clip_sort_as_its_frames(tmp_path):
    """A million frames and one: six digits are no longer enough."""
    long = clip_of([1], clip_id="f0")
    force_setattr(long, "frames", _Repeated(long.frames[0], 1_000_001))
    writer = open_shard("webdataset", str(tmp_path / "shard.tar"))
    names = []
    writer._member = lambda name, data, head=b"": names.append(name) or 0
    writer.add(long)
    writer.abandon()

    assert names[2:] == sorted(names[2:])
    assert len(names) == 1_000_003


class _Repeated:
    """A sequence of one frame, many times, that takes no memory."""

    def __init__(self, frame, count: int) -> None:
        self._frame, self._count = frame, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self):
        return (self._frame for _ in range(self._count))


@pytest.mark.skipif(shutil.which("tar") is None, reason="every Unix has tar")
def test_a_record_alone_is_an_archive_too(tmp_path):
    """So a clip can be cut out with dd, and tar reads it."""
    _, second = written(tmp_path / "shard.tar", clip_of([5], clip_id="f0"), clip_of([700, 9]))
    data = (tmp_path / "shard.tar").read_bytes()
    record = data[second.record_offset : second.record_offset + second.record_length]
    done = subprocess.run(["tar", "-tf", "-"], input=record + bytes(1024), capture_output=True)

    name = "0" * 16
    assert done.stderr == b""
    assert done.stdout.decode().split() == [
        *(f"{name}.json", f"{name}.cls", f"{name}.000000.jpg", f"{name}.000001.jpg")
    ]
