"""The keys of windows in the order of an epoch, shared out by rank."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DistributedSampler, Sampler

from shardmill.read.dataset import ClipDataset
from shardmill.read.epochs import Pass, Progress, position_of
from shardmill.read.share import Share, Tail
from shardmill.read.torch_dataset.windows import Key


def share_of_process(*, tail: Tail = "pad") -> Share:
    """Return the share of this process in ``torch.distributed``; everything if that is not in use.

    Args:
        tail: Treatment of windows that ranks cannot share evenly.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return Share(rank=rank, world=world, tail=tail)
    return Share(tail=tail)


class WindowSampler(DistributedSampler):  # type: ignore[misc]
    """A sampler of ``TorchWindows``: the shuffled keys of an epoch, another epoch in each pass.

    It is a ``DistributedSampler`` because Lightning replaces every other one where there are ranks.

    A pass is over when its last key is drawn.  Iterators have the ``state_dict`` protocol of
    torchdata, so a ``StatefulDataLoader`` resumes in mid-epoch.

    Args:
        dataset: The windows.
        share: Which of them; by default this process's share in ``torch.distributed`` at the time
            when a pass begins.
        tail: Treatment of windows that ranks cannot share evenly, if ``share`` is not given.
    """

    def __init__(
        self, dataset: ClipDataset, *, share: Share | None = None, tail: Tail = "pad"
    ) -> None:
        self.dataset = dataset
        self.progress = Progress(dataset)
        self._share = share
        self._tail: Tail = tail

    @property
    def share(self) -> Share:
        """The places of this process."""
        return self._share or share_of_process(tail=self._tail)

    def __len__(self) -> int:
        """Return the number of windows of a whole epoch, always the same."""
        return len(self.share.places(len(self.dataset)))

    def __iter__(self) -> Iterator[Key]:
        return _Keys(self)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be a whole epoch of this number, or the rest of it after a resume."""
        self.progress.set_epoch(epoch)


class _Keys(Iterator[Key]):
    """The keys of one pass, which begins when the first is drawn."""

    def __init__(self, sampler: WindowSampler) -> None:
        self._sampler = sampler
        self._pass: Pass | None = None
        self._drawn = 0

    def __next__(self) -> Key:
        running = self._begun()
        if self._drawn == len(running.places):
            raise StopIteration
        place = running.places[self._drawn]
        self._drawn += 1
        running.took(1)
        return running.epoch, place % len(self._sampler.dataset)

    def state_dict(self) -> dict[str, Any]:
        running = self._begun()
        place = running.places.start - self._sampler.share.rank
        place += self._drawn * running.places.step
        state: dict[str, Any] = self._sampler.dataset.identity()
        return state | {"epoch": running.epoch, "place": place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sampler.progress.resume(*position_of(state, self._sampler.dataset))
        self._pass, self._drawn = None, 0

    def _begun(self) -> Pass:
        if self._pass is None:
            self._pass = self._sampler.progress.begin(self._sampler.share)
        return self._pass


class KeysOfPass(Sampler):  # type: ignore[misc]
    """The keys of the pass that a ``ClipLoader`` runs; drawing them does not move its position."""

    def __init__(self, sampler: WindowSampler) -> None:
        self._sampler = sampler
        self.running: Pass | None = None

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Key]:
        assert self.running is not None, "a ClipLoader begins a pass before it draws keys"
        epoch, count = self.running.epoch, len(self._sampler.dataset)
        return ((epoch, place % count) for place in self.running.places)
