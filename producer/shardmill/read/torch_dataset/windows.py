"""Windows as a map-style dataset, and what puts them into batches."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, default_collate, get_worker_info

from shardmill.read.batch import PER_FRAME
from shardmill.read.dataset import ClipDataset
from shardmill.read.torch_dataset.frames import FrameShape

Transform = Callable[[Any], Any]
"""What a worker does to each window that it read: convert, augment."""
Key = tuple[int, int]
"""Epoch and place of a window."""
_ALIGNMENT: Final = 64
"""Of tensors in a shared storage, bytes."""
_WORKERS: Final = 1024
"""Counters, one for each worker process; should there be more, some share one."""


class TorchWindows(Dataset):  # type: ignore[misc]  # torch is not there where types are checked
    """Map-style dataset: ``self[number]`` as in ``ClipDataset``; ``self[epoch, place]`` shuffled.

    The epoch is part of the second key because workers that live on have a copy of this object.
    A sampler of one's own draws numbers; ``set_epoch`` then decides the starts in the clips.

    Args:
        dataset: The windows.
        frames: Resize, crop and layout of the frames.
        transform: What to do to each window afterwards; picklable if workers are spawned.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        frames: FrameShape | None = None,
        transform: Transform | None = None,
    ) -> None:
        self.dataset = dataset
        self._frames, self._transform = frames, transform
        # In shared memory: workers that live on read the epoch, and all count what they replace.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._replaced = torch.zeros(_WORKERS, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | Key) -> Any:
        before = self.dataset.damage.windows
        if isinstance(key, tuple):
            epoch, place = key
            window = self.dataset.at(place, epoch=epoch)
        else:
            window = self.dataset.window(key, epoch=int(self._epoch))
        if worker := get_worker_info():
            self._replaced[worker.id % _WORKERS] += self.dataset.damage.windows - before
        if self._frames:
            window = self._frames(window)
        return self._transform(window) if self._transform else window

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of ``self[number]``, also in workers that live on."""
        self._epoch.fill_(epoch)

    def report_damage(self, epoch: int) -> None:
        """Add to ``dataset.damage`` what workers have replaced, and log the sum of an epoch."""
        self.dataset.damage.windows += int(self._replaced.sum())
        self._replaced.zero_()
        self.dataset.damage.report(epoch)


class WindowCollate:
    """A ``collate_fn``: stacks as ``DataLoader`` does by default, and names clips of other sizes.

    Windows of different lengths (whole clips) are padded to the longest: black frames, False in
    ``mask``, 0 in ``pts_ns`` and ``pts_s``.

    Args:
        dataset: Where the windows are from.
    """

    def __init__(self, dataset: ClipDataset) -> None:
        self._dataset = dataset

    def __call__(self, batch: list[Any]) -> Any:
        """Return a batch of windows, or of what a transform made of them.

        Raises:
            UsageError: They cannot be stacked, and the clips have frames of several sizes.
        """
        try:
            if _lengths_differ(batch):
                return _padded(batch)
            if get_worker_info() and _are_plain(batch):
                return _in_one_block(batch)
            return default_collate(batch)
        except RuntimeError:
            self._dataset.check_one_size()
            raise


def _are_plain(batch: list[Any]) -> bool:
    """Return whether all are dictionaries of arrays, numbers and text."""
    kinds = (np.ndarray, torch.Tensor, int, float, str)
    return all(
        isinstance(window, dict) and all(isinstance(value, kinds) for value in window.values())
        for window in batch
    )


def _in_one_block(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack as ``default_collate`` does in a worker, but all tensors in one shared storage.

    Each shared storage costs both processes a file descriptor and a handshake: for the small values
    of a window more than it takes to decode a frame.
    """
    batch: dict[str, Any] = {}
    tensors: dict[str, list[torch.Tensor]] = {}
    for name, value in windows[0].items():
        values = [window[name] for window in windows]
        batch[name] = values
        if not isinstance(value, str):
            kind = torch.float64 if isinstance(value, float) else None
            tensors[name] = [torch.as_tensor(each, dtype=kind) for each in values]
    sizes = [len(each) * each[0].nbytes for each in tensors.values()]
    begins = list(accumulate((-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes), initial=0))
    block = torch.UntypedStorage._new_shared(begins[-1])  # noqa: SLF001 - as default_collate does
    for (name, values), begin in zip(tensors.items(), begins, strict=False):
        first = values[0]
        out = torch.empty(0, dtype=first.dtype)
        out.set_(block, begin // first.element_size(), (len(values), *first.shape))
        batch[name] = torch.stack(values, out=out)
    return batch


def _lengths_differ(batch: list[Any]) -> bool:
    if not (isinstance(batch[0], dict) and all(name in batch[0] for name in PER_FRAME)):
        return False
    return len({len(window["mask"]) for window in batch}) > 1


def _padded(windows: list[dict[str, Any]]) -> dict[str, Any]:
    rest = [{name: w[name] for name in w if name not in PER_FRAME} for w in windows]
    padded = {
        name: pad_sequence([torch.as_tensor(w[name]) for w in windows], batch_first=True)
        for name in PER_FRAME
    }
    batch: dict[str, Any] = default_collate(rest)
    return batch | padded
