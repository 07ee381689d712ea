"""Epoch after epoch, stopped and resumed anywhere.

A *pass* is one loop over what is left of an epoch.  The epoch ends when its last batch is handed
out, not with one more request: a loop over ``len(loader)`` batches is a whole epoch.  A pass that
is left early ends its epoch too.  The next pass begins the next epoch, unless ``load_state_dict``,
``set_epoch`` or ``restart`` has named another position.
"""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from shardmill.contract.errors import UsageError
from shardmill.read.dataset import ClipDataset, Window
from shardmill.read.share import Share


class Pass:
    """One loop over what is left of an epoch for one rank.

    Args:
        progress: The position that the pass moves.
        share: The places of this rank.
        batch_size: Windows of a batch.
        drop_last: Whether a last batch with fewer windows is left out.
    """

    def __init__(
        self, progress: "Progress", share: Share, *, batch_size: int, drop_last: bool
    ) -> None:
        self.epoch = progress.epoch
        """Number of the epoch, from 0."""
        self.places = share.places(progress.windows, first=progress.place)
        """This rank's places that are left; those at the end may wrap, see ``Share.places``."""
        self.is_over = False
        """Whether no rank has a batch left."""
        self._progress, self._share = progress, share
        self._batch_size, self._drop_last = batch_size, drop_last
        self._first = progress.place

    def took(self, windows: int) -> None:
        """Count windows that this rank was given; every other rank is taken to be equally far."""
        self._first += windows * self._share.world
        self.is_over = not self._batches_left()
        self._progress.reached(self, self._first, is_over=self.is_over)

    def _batches_left(self) -> int:
        """Return the number of batches that are left for rank 0: no rank has more."""
        first_rank = replace(self._share, rank=0)
        left = len(first_rank.places(self._progress.windows, first=self._first))
        return left // self._batch_size if self._drop_last else -(-left // self._batch_size)


class Progress:
    """Position in the sequence of epochs: the epoch, and the first place that no rank has read.

    All ranks are taken to be equally far, as in synchronous training.  So the state of one rank is
    that of all, and another number of ranks can resume from it.

    Args:
        dataset: The windows.
    """

    def __init__(self, dataset: ClipDataset) -> None:
        self._dataset = dataset
        self.epoch = 0
        """Number of the epoch that is being read, or else of the next one to be read."""
        self.place = 0
        """First place of it that no rank has read."""
        self._newest: Pass | None = None
        self._is_begun = False

    @property
    def windows(self) -> int:
        """Number of windows of an epoch, over all ranks."""
        return len(self._dataset)

    def begin(self, share: Share, *, batch_size: int = 1, drop_last: bool = False) -> Pass:
        """Begin a pass; an earlier one that still runs no longer moves the position."""
        if self._is_begun:
            self.epoch, self.place = self.epoch + 1, 0
        self._is_begun = True
        self._newest = Pass(self, share, batch_size=batch_size, drop_last=drop_last)
        return self._newest

    def reached(self, by: Pass, place: int, *, is_over: bool) -> None:
        """Move on to ``place``, or to the next epoch if no rank has anything left of this one."""
        if by is not self._newest:
            return
        if is_over:
            self._go_to(by.epoch + 1, 0)
        else:
            self.place = place

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass begin at the start of ``epoch``.

        A position in the same epoch that ``load_state_dict`` set is kept until a pass has begun.
        """
        if self._is_begun or epoch != self.epoch:
            self._go_to(epoch, 0)

    def restart(self) -> None:
        """Let the next pass begin at the start of the present epoch."""
        self._go_to(self.epoch, 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the position, and what decides which window is at which place."""
        return {"epoch": self.epoch, "place": self.place, **self._dataset.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass begin where ``state_dict`` was called.

        Raises:
            UsageError: The state is of other windows, or of another order.
        """
        self._go_to(*position_of(state, self._dataset))

    def resume(self, epoch: int, place: int) -> None:
        """Let the next pass begin at a place of an epoch."""
        self._go_to(epoch, place)

    def _go_to(self, epoch: int, place: int) -> None:
        self.epoch, self.place, self._is_begun, self._newest = epoch, place, False, None


def position_of(state: dict[str, Any], dataset: ClipDataset) -> tuple[int, int]:
    """Return epoch and place of a state.

    Raises:
        UsageError: The state is of other windows, or of another order.
    """
    expected = dataset.identity()
    differing = [name for name in expected if state.get(name) != expected[name]]
    if differing:
        raise UsageError(
            f"expected a state of this dataset, got one with another {', '.join(differing)} ("
            + "; ".join(f"{n}: {state.get(n)!r} there, {expected[n]!r} here" for n in differing)
            + "): open the dataset with the same options and the same committed clips"
        )
    epoch, place = state.get("epoch"), state.get("place")
    if not (isinstance(epoch, int) and isinstance(place, int) and min(epoch, place) >= 0):
        raise UsageError(f"expected epoch and place of a state, got {epoch!r} and {place!r}")
    return epoch, place


class Resumable:
    """What loops over epochs have in common: their position, which can be chosen and saved."""

    _progress: Progress

    @property
    def epoch(self) -> int:
        """Number of the epoch that is being read, or else of the next one to be read, from 0."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next loop be a whole epoch of this number, or the rest of it after a resume."""
        self._progress.set_epoch(epoch)

    def restart(self) -> None:
        """Let the next loop begin at the start of the present epoch, after a peek for example."""
        self._progress.restart()

    def state_dict(self) -> dict[str, Any]:
        """Return the position after what was handed out, as plain values."""
        return self._progress.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next loop begin where ``state_dict`` was called, on any number of ranks.

        Raises:
            UsageError: The state is of other windows, or of another order.
        """
        self._progress.load_state_dict(state)


class Epochs(Resumable):
    """The windows of a dataset in shuffled order; each ``for`` loop is an epoch.

    A loop that is left early ends its epoch; after ``load_state_dict`` the next loop is the rest
    of the epoch at hand.

    Args:
        dataset: The windows.
        share: Which of them; all by default.
    """

    def __init__(self, dataset: ClipDataset, share: Share | None = None) -> None:
        self._dataset, self._share = dataset, share or Share()
        self._progress = Progress(dataset)

    def __len__(self) -> int:
        """Return the number of windows of a whole epoch, always the same."""
        return len(self._share.places(len(self._dataset)))

    def __iter__(self) -> Iterator[Window]:
        dataset, running = self._dataset, self._progress.begin(self._share)
        try:
            for place in running.places:
                window = dataset.at(place % len(dataset), epoch=running.epoch)
                running.took(1)
                if running.is_over:
                    dataset.damage.report(running.epoch)
                yield window
        finally:
            dataset.damage.report(running.epoch)
