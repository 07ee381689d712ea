"""Random windows of frames for training, reading only a window's bytes."""

from shardmill.read.clip import Clip
from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.epochs import Epochs
from shardmill.read.order import Share
from shardmill.read.shards import Shards, open_shards

__all__ = ["Clip", "ClipDataset", "Epochs", "Shards", "Share", "Window", "open_shards"]
