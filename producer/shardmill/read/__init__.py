"""Random windows of frames for training, reading only a window's bytes."""

from shardmill.read.batch import stack_windows
from shardmill.read.clip import Clip
from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.epochs import Epochs
from shardmill.read.opening import open_shards
from shardmill.read.shards import Shards
from shardmill.read.share import Share

__all__ = [
    "Clip",
    "ClipDataset",
    "Epochs",
    "Shards",
    "Share",
    "Window",
    "open_shards",
    "stack_windows",
]
