"""Windows as an iterable dataset."""

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from shardmill.contract.errors import UsageError
from shardmill.read.dataset import ClipDataset
from shardmill.read.epochs import position_of
from shardmill.read.share import Share
from shardmill.read.torch_dataset.sampler import share_of_process
from shardmill.read.torch_dataset.windows import TorchWindows, Transform


class WindowStream(IterableDataset):  # type: ignore[misc]
    """Iterable dataset: one epoch of shuffled windows, dealt out to workers batch by batch.

    The batch size is needed here too, because batches are made of what one worker reads: only then
    is the order the same for any number of workers.  Give the ``DataLoader``
    ``collate_fn=WindowCollate(dataset)`` for an error that names clips of other sizes.  Iterators
    have the ``state_dict`` protocol of torchdata.

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
        self.dataset, self.batch_size = dataset, batch_size
        self.windows = TorchWindows(dataset, transform=transform)
        if share is None and _accelerate_shares():
            raise UsageError(
                "expected a ClipLoader, since Accelerate shares the windows of an iterable dataset "
                "out once more: give accelerator.prepare a ClipLoader instead of a WindowStream"
            )
        self.share = share or share_of_process()
        # In shared memory: workers that live on read the new epoch there.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        """Return the number of windows of a whole epoch, always the same."""
        return len(self.share.places(len(self.dataset)))

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._position.tolist()
        return _Stream(self, epoch, first)

    def set_epoch(self, epoch: int, *, first: int = 0) -> None:
        """Choose the epoch before each ``for`` loop, as for a ``DistributedSampler``.

        Args:
            epoch: Number of the epoch, from 0.
            first: First place that is left: the number of windows that all ranks together have
                used of this epoch.
        """
        self._position.copy_(torch.tensor([epoch, first]))


def _accelerate_shares() -> bool:
    """Return whether Accelerate runs several processes here."""
    state = sys.modules.get("accelerate.state")
    return share_of_process().world > 1 and state is not None and state.is_initialized()


class _Stream(Iterator[Any]):
    """The windows of one pass that one worker reads."""

    def __init__(self, stream: WindowStream, epoch: int, first: int) -> None:
        worker = get_worker_info()
        self._worker: int = worker.id if worker else 0
        self._workers: int = worker.num_workers if worker else 1
        self._stream, self._epoch, self._first, self._read = stream, epoch, first, 0

    def __next__(self) -> Any:
        dataset, size = self._stream.dataset, self._stream.batch_size
        places = self._stream.share.places(len(dataset), first=self._first)
        batch, within = divmod(self._read, size)
        number = (batch * self._workers + self._worker) * size + within
        if number >= len(places):
            raise StopIteration
        self._read += 1
        return self._stream.windows[self._epoch, places[number] % len(dataset)]

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self._stream.dataset.identity()
        return state | {"epoch": self._epoch, "place": self._first, "read": self._read}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._epoch, self._first = position_of(state, self._stream.dataset)
        self._read = int(state["read"])
