"""An index gives back where every frame lies, and a damaged one is named."""

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import fields, replace

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import Framing
from shardmill.dataset.index import (
    SCHEMA,
    ClipEntry,
    FrameTable,
    entry_at,
    framing_of,
    open_index,
    record_index,
    write_index,
)

CLIP = ClipEntry(
    clip_id="c1",
    path="a/b.mp4",
    label="a",
    label_id=0,
    shard="part-x-1.tfrecord",
    encoding="jpeg",
    width=160,
    height=120,
    crc32c=2**32 - 1,
    record_offset=0,
    record_length=2**40,
    frames=FrameTable(
        offset=np.array([100, 2**40], dtype=np.int64),
        length=np.array([50, 60], dtype=np.int32),
        pts_ns=np.array([-5, 2**50], dtype=np.int64),
        source_index=np.array([0, 7], dtype=np.int32),
        keyframe=np.array([True, False]),
    ),
)

FRAMING = Framing(shard_bytes=2**40 + 64, crc32c=2**32 - 2)


def plain(clip: ClipEntry) -> dict:
    """A clip as lists, which can be compared."""
    values = {f.name: getattr(clip, f.name) for f in fields(clip)}
    frames = values.pop("frames")
    return values | {f.name: getattr(frames, f.name).tolist() for f in fields(frames)}


def test_clips_come_back_as_they_were(tmp_path):
    nameless = replace(CLIP, clip_id="c2", label=None, label_id=None)
    path = str(tmp_path / "part.arrow")
    write_index(path, [CLIP, nameless], FRAMING)

    table = open_index(path)

    assert [plain(entry_at(table, row)) for row in (0, 1)] == [plain(CLIP), plain(nameless)]


def test_frame_tables_keep_their_types(tmp_path):
    path = str(tmp_path / "part.arrow")
    write_index(path, [CLIP], FRAMING)

    frames = entry_at(open_index(path), 0).frames

    for field in fields(FrameTable):
        assert getattr(frames, field.name).dtype == getattr(CLIP.frames, field.name).dtype


def test_a_shard_without_clips_has_an_index_too(tmp_path):
    write_index(str(tmp_path / "part.arrow"), [], FRAMING)

    assert open_index(str(tmp_path / "part.arrow")).num_rows == 0


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"text"])
def test_a_file_that_is_no_index_is_named(tmp_path, content):
    (tmp_path / "part.arrow").write_bytes(content)

    with pytest.raises(DatasetDamaged, match=r"part\.arrow is no index"):
        open_index(str(tmp_path / "part.arrow"))


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(DatasetDamaged, match=r"part\.arrow is no index"):
        open_index(str(tmp_path / "part.arrow"))


def test_an_index_with_other_columns_is_refused(tmp_path):
    schema = SCHEMA.remove(0)
    with pa.ipc.new_file(str(tmp_path / "part.arrow"), schema) as writer:
        writer.write_table(schema.empty_table())

    with pytest.raises(DatasetDamaged, match="other columns"):
        open_index(str(tmp_path / "part.arrow"))


def test_an_index_tells_of_the_rest_of_its_shard(tmp_path):
    path = str(tmp_path / "part.arrow")
    write_index(path, [CLIP], FRAMING)

    assert framing_of(open_index(path)) == FRAMING


@pytest.mark.parametrize("metadata", [None, {"shard_bytes": "1"}, {"shard_bytes": "x"}], ids=str)
def test_an_index_that_does_not_is_damaged_but_can_be_read(tmp_path, metadata):
    path = str(tmp_path / "part.arrow")
    schema = SCHEMA.with_metadata(metadata)
    with pa.ipc.new_file(path, schema) as writer:
        writer.write_table(schema.empty_table())

    with pytest.raises(DatasetDamaged, match="its shard's size and checksum, found"):
        framing_of(open_index(path))


def test_the_frames_are_spans_of_the_file():
    assert list(CLIP.frames.spans()) == [(100, 150), (2**40, 2**40 + 60)]


def test_the_list_of_records_is_that_of_tfrecord2idx():
    """``offset size``, a line a record, as tools/tfrecord2idx of NVIDIA DALI writes it."""
    assert record_index([(0, 120), (120, 77)]) == b"0 120\n120 77\n"
