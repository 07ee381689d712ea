"""Shard formats: one file each, named after the format, all written through ``ShardWriter``."""

from importlib import import_module
from typing import Final

from shardmill_worker.engine.shards.clip import Clip, Placed, ShardWriter, StoredFrame

__all__ = ["Clip", "Placed", "ShardWriter", "StoredFrame", "open_shard"]

_WRITERS: Final = {
    "tfrecord": "TFRecordWriter",
    "hdf5": "HDF5Writer",
    "webdataset": "WebDatasetWriter",
    "npy": "NpyWriter",
}


def open_shard(shard_format: str, path: str) -> ShardWriter:
    """Create a shard at ``path``; its format's module is loaded for the first one.

    Raises:
        OSError: The file cannot be created.
    """
    module = import_module(f"{__name__}.{shard_format}")
    writer: ShardWriter = getattr(module, _WRITERS[shard_format])(path)
    return writer
