"""Writing a clip takes next to no memory beside the clip, which may fill a quarter of the limit."""

import tracemalloc

import pytest

from made_clips import FORMATS, clip_of
from shardmill_worker.engine.shards import open_shard

WIDTH, HEIGHT, FRAMES = 300, 200, 200
MOST_BYTES = 6_000_000
"""A buffer, a frame and the table of frames; the clip has 36 MB."""


@pytest.mark.parametrize("shard_format", FORMATS)
def test_a_clip_is_written_without_a_copy_of_it(tmp_path, shard_format):
    clip = clip_of([WIDTH * HEIGHT * 3] * FRAMES, encoding="raw", width=WIDTH, height=HEIGHT)
    writer = open_shard(shard_format, str(tmp_path / "shard"))
    tracemalloc.start()
    try:
        writer.add(clip)
        writer.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MOST_BYTES
    assert (tmp_path / "shard").stat().st_size > WIDTH * HEIGHT * 3 * FRAMES
