"""A TFRecord shard, read by hand after the format's description."""

import struct

import google_crc32c
import numpy as np
import pytest

from made_clips import clip_of
from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.shards import open_shard, tfrecord
from shardmill_worker.engine.shards.example import Example


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize(
    "sizes",
    [[5], [0], [1, 127, 128, 129], [16383, 16384, 16385], [1] * 300, [2**21 - 1, 2**21, 7]],
    ids=lambda sizes: f"{sizes[:3]}",
)
def test_every_frame_lies_where_the_writer_says(tmp_path, sizes):
    """Sizes around each step of a varint's length, in two records."""
    path = str(tmp_path / "shard")
    writer = open_shard("tfrecord", path)
    clips = [clip_of(sizes), clip_of(sizes[::-1])]
    placed = [writer.add(clip) for clip in clips]
    writer.finish()

    data = (tmp_path / "shard").read_bytes()
    for clip, place in zip(clips, placed, strict=True):
        for frame, offset in zip(clip.frames, place.frame_offset.tolist(), strict=True):
            assert data[offset : offset + len(frame.data)] == frame.data
            assert offset + len(frame.data) <= place.record_offset + place.record_length - 4
    assert placed[0].record_offset == 0
    assert placed[1].record_offset == placed[0].record_length
    assert len(data) == sum(place.record_length for place in placed)


@pytest.mark.parametrize("sizes", [[5], [0, 0], [127, 128], [1] * 300, [2**21 - 1, 2**21, 7]])
def test_a_record_is_what_protocol_buffers_would_write(tmp_path, sizes):
    path = str(tmp_path / "shard")
    clip = clip_of(sizes)
    writer = open_shard("tfrecord", path)
    placed = writer.add(clip)
    writer.finish()
    record = (tmp_path / "shard").read_bytes()[12 : placed.record_length - 4]
    frames = Example()
    frames.features.feature["frames"].bytes_list.value.extend(f.data for f in clip.frames)

    written = frames.SerializeToString()

    assert record.endswith(written)
    read = Example.FromString(record).features.feature
    assert list(read["frames"].bytes_list.value) == [frame.data for frame in clip.frames]
    assert list(read["num_frames"].int64_list.value) == [len(sizes)]


def test_the_framing_is_that_of_tensorflow(tmp_path):
    path = str(tmp_path / "shard")
    writer = open_shard("tfrecord", path)
    writer.add(clip_of([10, 20]))
    writer.finish()

    data = (tmp_path / "shard").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    assert len(data) == 8 + 4 + length + 4
    assert struct.unpack_from("<I", data, 8) == (masked(data[:8]),)
    assert struct.unpack_from("<I", data, 12 + length) == (masked(data[12 : 12 + length]),)


def test_a_record_beyond_protobuf_s_limit_is_refused_and_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "MAX_RECORD_BYTES", 1000)
    writer = open_shard("tfrecord", str(tmp_path / "shard"))

    for sizes in ([600, 600], [990]):  # the frames alone; with what is said about them
        with pytest.raises(TooLarge, match="at most 1000 bytes"):
            writer.add(clip_of(sizes))
    placed = writer.add(clip_of([10]))
    writer.finish()

    assert placed.record_offset == 0
    assert (tmp_path / "shard").stat().st_size == placed.record_length


def test_the_offsets_are_an_array_of_int64(tmp_path):
    writer = open_shard("tfrecord", str(tmp_path / "shard"))

    offsets = writer.add(clip_of([3, 4])).frame_offset
    writer.finish()

    assert offsets.dtype == np.int64
    assert offsets.shape == (2,)
