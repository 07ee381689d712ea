"""Epoch after epoch, stopped and taken up again anywhere."""

from collections.abc import Iterator
from typing import Any

from shardmill.contract.errors import UsageError
from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.order import Share


class Progress:
    """How far one rank has come: the epoch, and the first place that no rank has taken.

    All ranks are thought to be equally far, as synchronous training has them.  So the state of
    any one of them is that of all, and another number of ranks may go on from it.

    Args:
        dataset: Whose windows are shown.
        share: Which places are this rank's.
        epoch: Number of the epoch, from 0.
        first: The first place of it that no rank has taken.
    """

    def __init__(
        self, dataset: ClipDataset, share: Share, *, epoch: int = 0, first: int = 0
    ) -> None:
        self.dataset, self.share, self.epoch, self.first = dataset, share, epoch, first

    def places(self) -> range:
        """Return the places of this epoch that are left for this rank."""
        return self.share.places(len(self.dataset), first=self.first)

    def took(self, windows: int) -> None:
        """Count windows that this rank has used, and as many for each other one."""
        self.first += windows * self.share.world

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.first = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Return the state as plain numbers."""
        return {"epoch": self.epoch, "place": self.first, **self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was called.

        Raises:
            UsageError: It was called for other windows, so that their order is another.
        """
        told = {name: state.get(name) for name in self._order()}
        if told != self._order():
            raise UsageError(
                f"expected the state of {self._order()}, got that of {told}: open the dataset "
                "with the same options, and the same committed clips"
            )
        self.epoch, self.first = int(state["epoch"]), int(state["place"])

    def _order(self) -> dict[str, int]:
        """Return what, beside the epoch, decides the order."""
        return {"windows": len(self.dataset), "seed": self.dataset.seed}


class Epochs:
    """The windows of a dataset in shuffled order; each ``for`` loop is what is left of an epoch.

    Args:
        dataset: The windows.
        share: Which of them; by default all.
    """

    def __init__(self, dataset: ClipDataset, share: Share | None = None) -> None:
        self._progress = Progress(dataset, share or Share())

    @property
    def epoch(self) -> int:
        """Number of the epoch at hand, from 0."""
        return self._progress.epoch

    def __len__(self) -> int:
        """Return how many windows are left in this epoch."""
        return len(self._progress.places())

    def __iter__(self) -> Iterator[Window]:
        progress = self._progress
        for place in progress.places():
            window = progress.dataset.at(place, epoch=progress.epoch)
            progress.took(1)
            yield window
        progress.next_epoch()

    def state_dict(self) -> dict[str, int]:
        """Return how far this has come: the windows that a ``for`` loop has been given count."""
        return self._progress.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was called; it may have been on another number of ranks.

        Raises:
            UsageError: It was called for other windows.
        """
        self._progress.load_state_dict(state)
