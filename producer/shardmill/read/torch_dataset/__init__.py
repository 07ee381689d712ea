"""PyTorch: windows through a ``DataLoader``, with workers, ranks and resume in mid-epoch.

``ClipLoader`` is the plain way, also under Lightning and Accelerate.  Its order is that of
``ClipDataset.at`` for any number of workers, and its state counts the batches that were handed out,
not those that workers have prefetched.  ``WindowSampler`` and ``WindowStream`` are for loaders of
other libraries, torchdata's ``StatefulDataLoader`` for example.
"""

from shardmill.read.torch_dataset.frames import FrameShape
from shardmill.read.torch_dataset.loader import ClipLoader
from shardmill.read.torch_dataset.sampler import WindowSampler, share_of_process
from shardmill.read.torch_dataset.stream import WindowStream
from shardmill.read.torch_dataset.windows import TorchWindows, WindowCollate

__all__ = [
    "ClipLoader",
    "FrameShape",
    "TorchWindows",
    "WindowCollate",
    "WindowSampler",
    "WindowStream",
    "share_of_process",
]
