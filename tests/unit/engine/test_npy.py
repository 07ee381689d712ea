"""An npy shard, opened by numpy itself."""

import numpy as np
import pytest

from made_clips import HEIGHT, WIDTH, clip_of, raw_clip
from shardmill.contract.errors import InternalError
from shardmill_worker.engine.shards import open_shard
from shardmill_worker.engine.shards.npy import array_header


def test_numpy_maps_all_frames_as_one_array(tmp_path):
    path = str(tmp_path / "shard.npy")
    writer = open_shard("npy", path)
    second = [writer.add(raw_clip(count)) for count in (3, 200)][1]
    writer.finish()

    frames = np.load(path, mmap_mode="r")

    assert isinstance(frames, np.memmap)
    assert (frames.shape, frames.dtype) == ((203, HEIGHT, WIDTH, 3), np.uint8)
    assert frames[:, 0, 0, 0].tolist() == [0, 1, 2, *range(200)]
    assert frames.flags.c_contiguous
    row = (second.record_offset - frames.offset) // frames[0].nbytes
    assert row == 3, "a clip's first row follows from its offset"


@pytest.mark.parametrize(
    "shape", [(0, 1, 1, 3), (9, 10, 99, 3), (10**12, 16384, 16384, 3), (120, 160, 3)], ids=str
)
def test_numpy_reads_the_header_of_any_shape(tmp_path, shape):
    header = array_header(shape)
    path = tmp_path / "header"
    path.write_bytes(header)

    with open(path, "rb") as file:
        assert np.lib.format.read_magic(file) == (1, 0)
        found = np.lib.format.read_array_header_1_0(file)
        assert file.read() == b""
    assert found == (shape, False, np.dtype("u1"))
    assert len(header) == 128
    assert header.endswith(b"\n")


def test_a_picture_of_numpy_s_own_has_the_same_header(tmp_path):
    """Byte by byte, where numpy too takes 128 bytes."""
    np.save(tmp_path / "theirs.npy", np.zeros((2, 3, 4, 3), np.uint8))

    assert (tmp_path / "theirs.npy").read_bytes()[:128] == array_header((2, 3, 4, 3))


@pytest.mark.parametrize(
    ("clip", "got"),
    [
        pytest.param(raw_clip(1, width=8), f"got raw of 8x{HEIGHT}", id="another size"),
        pytest.param(clip_of([5]), f"got jpeg of {WIDTH}x{HEIGHT}", id="another encoding"),
    ],
)
def test_a_clip_that_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, clip, got):
    path = str(tmp_path / "shard.npy")
    writer = open_shard("npy", path)
    writer.add(raw_clip(2))
    with pytest.raises(InternalError, match=f"Expected raw frames of {WIDTH}x{HEIGHT}.*{got}"):
        writer.add(clip)
    writer.add(raw_clip(1))
    writer.finish()

    assert np.load(path)[:, 0, 0, 0].tolist() == [0, 1, 0]
