"""Clips of no meaning, for tests of how clips are stored."""

import os

from shardmill.contract.schema import Item
from shardmill_worker.engine.shards import Clip, StoredFrame

FORMATS = ("tfrecord", "hdf5", "webdataset", "npy")
WIDTH, HEIGHT = 16, 12
RAW_BYTES = WIDTH * HEIGHT * 3


def clip_of(sizes: list[int], **changes) -> Clip:
    """A clip whose frames have these sizes and tell themselves apart."""
    frames = [
        StoredFrame(bytes([k % 251]) * size, pts_ns=k * 10, source_index=k, keyframe=k == 0)
        for k, size in enumerate(sizes)
    ]
    known = {
        "item": Item(path="a/b.mp4", size_bytes=1, mtime_ns=2, label="jump", label_id=3),
        "clip_id": "0" * 16,
        "encoding": "jpeg",
        "width": WIDTH,
        "height": HEIGHT,
        "fps": 29.97,
        "frames": frames,
    }
    return Clip(**known | changes)


def raw_clip(count: int, **changes) -> Clip:
    """A clip of raw frames, each of one grey: 0, 1, 2 and so on."""
    return clip_of([RAW_BYTES] * count, **{"encoding": "raw"} | changes)


def several(shard_format: str) -> list[Clip]:
    """Clips that a format can hold, one of a single frame and one with an odd name."""
    make = (
        raw_clip if shard_format == "npy" else lambda n, **ch: clip_of([99] * (n - 1) + [1], **ch)
    )
    odd = Item(path=os.fsdecode(b"\xff \xc3\xa9.mp4"), size_bytes=1, mtime_ns=2)
    return [
        make(3, clip_id="f" * 16),
        make(1, clip_id="0" * 16, item=odd),
        make(40, clip_id="a" * 16),
    ]
