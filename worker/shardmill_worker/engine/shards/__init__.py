"""Shard formats: one file each, all written through ``ShardWriter``."""

from collections.abc import Callable
from typing import Final

from shardmill_worker.engine.shards.clip import Clip, Placed, ShardWriter, StoredFrame
from shardmill_worker.engine.shards.hdf5 import HDF5Writer
from shardmill_worker.engine.shards.npy import NpyWriter
from shardmill_worker.engine.shards.tfrecord import TFRecordWriter
from shardmill_worker.engine.shards.webdataset import WebDatasetWriter

__all__ = ["Clip", "Placed", "ShardWriter", "StoredFrame", "open_shard"]

_WRITERS: Final[dict[str, Callable[[str], ShardWriter]]] = {
    "tfrecord": TFRecordWriter,
    "hdf5": HDF5Writer,
    "webdataset": WebDatasetWriter,
    "npy": NpyWriter,
}


def open_shard(shard_format: str, path: str) -> ShardWriter:
    """Create a shard at ``path``.

    Raises:
        OSError: The file cannot be created.
    """
    return _WRITERS[shard_format](path)
