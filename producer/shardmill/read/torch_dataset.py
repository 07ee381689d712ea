"""PyTorch: windows through a ``DataLoader``, with workers, ranks, and going on in mid-epoch.

``ClipLoader`` is the plain way.  Its order is that of ``ClipDataset.at``, however many workers
there are and however they are started; what it has handed out, not what workers have fetched
ahead, is what its state tells.  ``WindowStream`` is for code that wants an ``IterableDataset``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    default_collate,
    get_worker_info,
)

from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.epochs import Progress
from shardmill.read.order import Share, Tail

Transform = Callable[[Window], Any]
"""What is done to a window in the worker that read it: crop, convert, augment."""


def share_of_process(*, tail: Tail = "keep") -> Share:
    """Return the share of this process in ``torch.distributed``; all if that is not in use.

    Args:
        tail: ``drop`` if every rank must see as many windows as the others.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return Share(rank=rank, world=world, tail=tail)
    return Share(tail=tail)


class TorchWindows(Dataset):  # type: ignore[misc]  # torch is not there where types are checked
    """Map-style: ``self[number]`` as in ``ClipDataset``, and ``self[epoch, place]`` shuffled.

    An epoch is part of the key, because a worker that lives on would not hear of a new one.
    """

    def __init__(self, dataset: ClipDataset, transform: Transform | None = None) -> None:
        self._dataset, self._transform = dataset, transform

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> Any:
        if isinstance(key, tuple):
            epoch, place = key
            window = self._dataset.at(place, epoch=epoch)
        else:
            window = self._dataset[key]
        return self._transform(window) if self._transform else window


class _Places(Sampler):  # type: ignore[misc]
    """The keys of the windows that are left of an epoch."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __len__(self) -> int:
        return len(self._progress.places())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self._progress.epoch
        for place in self._progress.places():
            yield epoch, place


class WindowCollate:
    """A ``collate_fn``: stacks as ``DataLoader`` does by default, and names clips of other sizes.

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
            return default_collate(batch)
        except RuntimeError:
            self._dataset.check_one_size()
            raise


class ClipLoader(DataLoader):  # type: ignore[misc]
    """A ``DataLoader`` of shuffled windows; each ``for`` loop is what is left of an epoch.

    Batches are what ``collate_fn`` makes of windows, by default (``WindowCollate``) a dictionary
    with ``frames`` of shape (B, T, H, W, 3), uint8, RGB; all clips must have frames of one size
    then, or ``transform`` must bring them to one.

    Args:
        dataset: The windows.
        share: Which of them; by default what is this process's share in ``torch.distributed``.
        transform: What to do to each window, in the worker.
        **options: Of ``DataLoader``, apart from those that choose the order.

    Raises:
        UsageError: Batches are to be made of frames of several sizes.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        share: Share | None = None,
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        batch_size = options.get("batch_size", 1)
        if batch_size is not None and options.get("collate_fn") is None:
            if batch_size > 1 and transform is None:
                dataset.check_one_size()  # here, for the odd clip may come late in an epoch
            options["collate_fn"] = WindowCollate(dataset)
        self._progress = Progress(dataset, share or share_of_process())
        windows = TorchWindows(dataset, transform)
        super().__init__(windows, sampler=_Places(self._progress), **options)

    @property
    def epoch(self) -> int:
        """Number of the epoch at hand, from 0."""
        return self._progress.epoch

    def __iter__(self) -> Iterator[Any]:
        for batch in super().__iter__():
            self._progress.took(min(self.batch_size or 1, len(self._progress.places())))
            yield batch
        self._progress.next_epoch()

    def state_dict(self) -> dict[str, int]:
        """Return how far this has come: the batches that a ``for`` loop has been given count."""
        return self._progress.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was called; it may have been on another number of ranks.

        Raises:
            UsageError: It was called for other windows.
        """
        self._progress.load_state_dict(state)


class WindowStream(IterableDataset):  # type: ignore[misc]
    """Iterable: one epoch of shuffled windows, dealt out to workers batch by batch.

    The batch size must be told here too, because batches are made of what one worker reads:
    only so is the order the same for any number of workers.  Give the ``DataLoader``
    ``collate_fn=WindowCollate(dataset)`` for an error that names clips of other sizes.

    Args:
        dataset: The windows.
        batch_size: That of the ``DataLoader``; 1 if it has none.
        share: Which windows; by default this process's share in ``torch.distributed``.
        transform: What to do to each window, in the worker.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        batch_size: int,
        share: Share | None = None,
        transform: Transform | None = None,
    ) -> None:
        self._dataset, self._share = dataset, share or share_of_process()
        self._windows = TorchWindows(dataset, transform)
        self._batch_size = batch_size
        # In shared memory, so that workers that live on hear of a new epoch.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self._progress().places())

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        progress, size = self._progress(), self._batch_size
        places = progress.places()
        for begin in range(number * size, len(places), workers * size):
            for place in places[begin : begin + size]:
                yield self._windows[progress.epoch, place]

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; call it before each ``for`` loop, as for a ``DistributedSampler``."""
        self._go_to(epoch, 0)

    def state_dict(self, *, windows: int) -> dict[str, int]:
        """Return how far this has come.

        Args:
            windows: How many this rank has used since ``set_epoch`` or ``load_state_dict``.
        """
        progress = self._progress()
        progress.took(windows)
        return progress.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was called; it may have been on another number of ranks.

        Raises:
            UsageError: It was called for other windows.
        """
        progress = self._progress()
        progress.load_state_dict(state)
        self._go_to(progress.epoch, progress.first)

    def _progress(self) -> Progress:
        epoch, first = self._position.tolist()
        return Progress(self._dataset, self._share, epoch=epoch, first=first)

    def _go_to(self, epoch: int, first: int) -> None:
        self._position.copy_(torch.tensor([epoch, first]))
