"""Shard formats: one file each, all written through ``ShardWriter``."""

from collections.abc import Callable
from typing import Final

from shardmill_worker.engine.shards.clip import Clip, Placed, ShardWriter, StoredFrame
from shardmill_worker.engine.shards.tfrecord import TFRecordWriter

__all__ = ["Clip", "Placed", "ShardWriter", "StoredFrame", "open_shard"]

_WRITERS: Final[dict[str, Callable[[str], ShardWriter]]] = {"tfrecord": TFRecordWriter}


def open_shard(shard_format: str, path: str) -> ShardWriter:
    """Create a shard at ``path``.

    Raises:
        OSError: The file cannot be created.
    """
    return _WRITERS[shard_format](path)
