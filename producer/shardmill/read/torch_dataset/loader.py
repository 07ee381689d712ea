"""The plain way: a ``DataLoader`` whose loops are epochs."""

from collections.abc import Iterator
from typing import Any, Final

from torch.utils.data import BatchSampler, DataLoader

from shardmill.contract.errors import UsageError
from shardmill.read.dataset import ClipDataset
from shardmill.read.epochs import Resumable
from shardmill.read.share import Share, Tail
from shardmill.read.torch_dataset.frames import FrameShape, Layout, Side
from shardmill.read.torch_dataset.sampler import KeysOfPass, WindowSampler
from shardmill.read.torch_dataset.windows import TorchWindows, Transform, WindowCollate

_ORDER_OPTIONS: Final = ("shuffle", "sampler", "batch_sampler")


class ClipLoader(Resumable, DataLoader):  # type: ignore[misc]
    """A ``DataLoader`` of shuffled windows; each ``for`` loop is an epoch.

    Batches are what ``collate_fn`` makes of windows, by default (``WindowCollate``) a dictionary
    with ``frames`` of shape (B, T, H, W, 3), uint8, RGB; all clips must have frames of one size
    then, or ``resize``, ``crop`` or ``transform`` must bring them to one.

    An epoch ends with its last batch; a loop that is left early ends its epoch too.  After
    ``load_state_dict`` the next loop is the rest of the epoch at hand.

    Args:
        dataset: The windows.
        share: Which of them; by default this process's share in ``torch.distributed`` at the time
            when a loop begins.
        tail: Treatment of windows that ranks cannot share evenly, if ``share`` is not given.
        layout: ``TCHW`` for channels before height: ``frames`` of shape (B, T, 3, H, W).
        resize: Shorter side of the frames, or (height, width), pixels; see ``FrameShape``.
        crop: Side of a square in the middle, or (height, width), pixels; after ``resize``.
        transform: What to do to each window afterwards, in the worker that read it; must be
            picklable where workers are spawned.
        **options: Of ``DataLoader``, apart from those that choose the order.

    Raises:
        UsageError: Batches are to be made of frames of several sizes, or an option is impossible
            or would change the order.
    """

    def __init__(  # noqa: PLR0913 - flat keywords, as DataLoader has them
        self,
        dataset: ClipDataset,
        *,
        share: Share | None = None,
        tail: Tail = "pad",
        layout: Layout = "THWC",
        resize: Side | None = None,
        crop: Side | None = None,
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        _check_order_options(options)
        frames = FrameShape(layout=layout, resize=resize, crop=crop)
        batch_size = options.get("batch_size", 1)
        if batch_size is not None and options.get("collate_fn") is None:
            if batch_size > 1 and transform is None:
                frames.check(dataset)  # now, because the odd clip may come late in an epoch
            options["collate_fn"] = WindowCollate(dataset)
        self._own = WindowSampler(dataset, share=share, tail=tail)
        self._progress = self._own.progress
        self._keys = KeysOfPass(self._own)
        every = WindowSampler(dataset, share=Share())
        every.progress = self._progress
        windows = TorchWindows(dataset, frames=frames, transform=transform)
        super().__init__(windows, sampler=every, **options)

    @property
    def _index_sampler(self) -> Any:
        """Return what this loader's own loop draws from: the batches of this process.

        ``sampler`` and ``batch_sampler`` have the whole epoch, because code that builds another
        loader around them shares the batches out by rank itself.
        """
        if self.batch_size is None:
            return self._keys
        return BatchSampler(self._keys, self.batch_size, self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        size = self.batch_size or 1
        running = self._progress.begin(self._own.share, batch_size=size, drop_last=self.drop_last)
        self._keys.running = running
        left = len(running.places)
        try:
            for batch in super().__iter__():
                running.took(min(size, left))
                left -= size
                if running.is_over:
                    self.dataset.report_damage(running.epoch)
                yield batch
        finally:
            self.dataset.report_damage(running.epoch)


def _check_order_options(options: dict[str, Any]) -> None:
    if given := [name for name in _ORDER_OPTIONS if options.get(name)]:
        raise UsageError(
            f"expected no {given[0]} for a ClipLoader, which chooses the order itself: a sampler "
            "of your own, and Lightning's Trainer.predict, need "
            "DataLoader(TorchWindows(dataset), …, collate_fn=WindowCollate(dataset))"
        )
    if not options.get("in_order", True):
        raise UsageError(
            "expected in_order=True: batches in another order would make the state of a "
            "ClipLoader wrong"
        )
