"""Random windows of frames for training, reading only a window's bytes."""

from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.shards import Clip, Shards, open_shards

__all__ = ["Clip", "ClipDataset", "Shards", "Window", "open_shards"]
