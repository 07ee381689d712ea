"""Grain, and with it JAX: windows as a random-access source.

The order is that of ``ClipDataset.at``, epoch after epoch, so do not shuffle again; Grain's own
iterator state tells where it stopped.
"""

import operator
from typing import SupportsIndex

import grain

from shardmill.read.batch import stack_windows
from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.share import Share


class WindowSource:
    """A ``grain.sources.RandomAccessDataSource`` of shuffled windows, some epochs in a row.

    Args:
        dataset: The windows.
        epochs: How many; each has an order of its own.
        share: Which windows; by default all.  Ranks of one job give theirs.
    """

    def __init__(
        self, dataset: ClipDataset, *, epochs: int = 1, share: Share | None = None
    ) -> None:
        self._dataset, self._epochs, self._share = dataset, epochs, share or Share()
        self._places = self._share.places(len(dataset))

    def __len__(self) -> int:
        return self._epochs * len(self._places)

    def __getitem__(self, record_key: SupportsIndex) -> Window:
        number = range(len(self))[operator.index(record_key)]
        epoch, step = divmod(number, len(self._places))
        return self._dataset.at(self._places[step] % len(self._dataset), epoch=epoch)

    def __repr__(self) -> str:
        """Return what decides the order: Grain compares it when it takes up a checkpoint."""
        order = f"epochs={self._epochs}, share={self._share}"
        return f"WindowSource({self._dataset.identity()}, {order})"


def grain_windows(
    dataset: ClipDataset,
    *,
    epochs: int = 1,
    share: Share | None = None,
    batch_size: int | None = None,
) -> grain.MapDataset:
    """Return the windows of some epochs as a ``MapDataset``, to be mapped, batched and prefetched.

    Args:
        dataset: The windows.
        epochs: How many; each has an order of its own.
        share: Which windows; by default all.  Ranks of one job give theirs.
        batch_size: Windows of a batch, made by ``stack_windows``; by default they come one by one,
            of any size.

    Raises:
        UsageError: Batches are to be made of frames of several sizes.
    """
    windows = grain.MapDataset.source(WindowSource(dataset, epochs=epochs, share=share))
    if batch_size is None:
        return windows
    if batch_size > 1:
        dataset.check_one_size()
    return windows.batch(batch_size, batch_fn=stack_windows)
