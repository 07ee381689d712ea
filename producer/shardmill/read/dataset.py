"""Windows of consecutive frames of an output directory, in any order."""

import operator
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict, get_args, overload

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault, UsageError
from shardmill.contract.quantity import format_count
from shardmill.read.committed import UNLABELLED
from shardmill.read.damage import Damage
from shardmill.read.opening import open_shards
from shardmill.read.options import Sample, WindowOptions, check_choice, check_flag
from shardmill.read.order import replacement, shuffled
from shardmill.read.sampling import (
    Plan,
    Spots,
    Weights,
    balanced_weights,
    cumulative_weights,
    digest_of,
    valid_starts,
)
from shardmill.read.shards import Shards
from shardmill.read.windows import Short, frames_of_window, period

OnDamage = Literal["raise", "skip"]
_ATTEMPTS: Final = 16
"""Windows that are tried for one: if all are damaged, the error of the last is raised."""
_NS_PER_S: Final = 1e9
_BLOCK: Final = 256
"""Places whose windows are worked out together."""
_BLOCKS: Final = 16
"""Blocks that are remembered: neighbouring places are read by several workers, or threads."""
_WORKED_OUT: Final = {"_plan", "_block"}
_SIZES_NAMED: Final = 4
"""Sizes that an error about different sizes names."""
_CLIPS_NAMED: Final = 3
"""Clips of each size that it names."""


class Window(TypedDict):
    """Frames for one training example.  T is ``window``, or the length of a whole clip."""

    frames: NDArray[np.uint8]
    """Shape (T, H, W, 3), uint8, RGB; black where ``mask`` is False."""
    mask: NDArray[np.bool_]
    """True where the clip has a frame.  Shape (T,)."""
    label_id: int
    """Class number, the first if there are several; ``UNLABELLED`` (-1) if there is none."""
    label_ids: NDArray[np.int64]
    """All class numbers, filled up with ``UNLABELLED``.  Shape (L,), L the most that a clip has."""
    pts_ns: NDArray[np.int64]
    """When each frame is shown, on the stream's own clock; 0 where ``mask`` is False."""
    pts_s: NDArray[np.float64]
    """The same in seconds.  Shape (T,)."""
    clip_id: str
    """Which clip the frames are from: a stable name."""
    path: str
    """Source of the clip, as printed in the manifest."""
    clip: int
    """Number of the clip in ``ClipDataset.clips``."""
    window: int
    """Which of the clip's windows in the epoch, from 0."""


class ClipDataset:
    """Random access to windows of frames; may be forked, or pickled to another process.

    Args:
        clips: Output directory, or what ``open_shards`` gave for it.  Clips that are committed
            later do not show.
        split: Of an output directory that has splits, the one to read; ``all`` for all of them.
        check: Of an output directory, whether the checksum of a clip is compared before its frames
            are used.
        window: Frames of a window; None for whole clips, with ``uniform-clips`` or ``center``.
        stride: Frames from one of a window to its next.  With a pair ``(low, high)`` each window
            has a stride of its own, drawn among those of the range that fit its clip; with
            ``uniform-windows`` among those that fit from its start.
        hop: With ``uniform-windows``, frames between the starts that count.
        sample: ``uniform-windows`` makes every window equally likely, so long clips weigh more;
            ``uniform-clips`` makes every clip equally likely, then every start in it.  Two more
            are for validation, and are read in the order of the clips: ``center`` has one window
            in the middle of each clip, ``uniform-k`` has ``windows_per_clip`` that cover it.
        windows_per_clip: Windows of a clip in an epoch, with ``uniform-clips`` and ``uniform-k``.
        weights: With ``uniform-clips``, how often each clip is shown: one number of at least 0 for
            each of ``clips``, or ``balanced``, which makes each class (by ``label_id``) equally
            likely and leaves out clips without a class.  Shape (C,).
        jitter: Each start is moved by up to so many frames either way; every valid start within
            reach is equally likely.  Not with ``uniform-clips``, which draws every start already.
        short: A clip shorter than a window is left out (``drop``), filled up with black where the
            mask is False (``pad``), or played again from its start (``loop``).
        seed: Decides the order of each epoch, and all that is drawn.
        on_damage: ``raise`` ends with an error where a shard or its index is damaged or cannot be
            read; ``skip`` reads another window in place of the damaged one, and counts it in
            ``damage``.

    Raises:
        UsageError: An option is impossible, no clip is chosen, or no clip is long enough.
        DatasetDamaged: The manifest or an index cannot be read.
    """

    def __init__(  # noqa: PLR0913 - flat keywords, each with a default, are what users expect
        self,
        clips: str | os.PathLike[str] | Shards,
        *,
        split: str | None = None,
        check: bool = False,
        window: int | None = 64,
        stride: int | tuple[int, int] = 1,
        hop: int = 1,
        sample: Sample = "uniform-windows",
        windows_per_clip: int = 1,
        weights: Weights | None = None,
        jitter: int = 0,
        short: Short = "drop",
        seed: int = 0,
        on_damage: OnDamage = "raise",
    ) -> None:
        self.options = WindowOptions(
            window=window,
            stride=stride,
            hop=hop,
            sample=sample,
            windows_per_clip=windows_per_clip,
            jitter=jitter,
            short=short,
            seed=seed,
        )
        """Which windows there are."""
        check_choice("on_damage", on_damage, get_args(OnDamage))
        self.on_damage = on_damage
        self.damage = Damage()
        """Windows that were replaced because they are damaged."""
        self.clips = _opened(clips, split=split, check=check)
        """The clips that ``Window.clip`` numbers, also those without a window."""
        if not len(self.clips):
            raise UsageError(f"no clip is chosen: {self.clips.chosen_by}")
        self._shares = None if weights is None else self._summed(weights)
        self._prepare()

    def _summed(self, weights: Weights) -> NDArray[np.int64]:
        if self.options.sample != "uniform-clips":
            raise UsageError(
                f"weights go with sample='uniform-clips', got sample={self.options.sample!r}"
            )
        usable = valid_starts(self.clips.lengths(), self.options) > 0
        if isinstance(weights, str):
            check_choice("weights", weights, ["balanced"])
            weights = balanced_weights(self.clips.label_ids(), usable)
        return cumulative_weights(weights, usable)

    def _prepare(self) -> None:
        self._plan = Plan(self.clips.lengths(), self.options, self._shares)
        self._block = lru_cache(_BLOCKS)(self._work_out)

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes but those that are worked out again."""
        return {name: value for name, value in vars(self).items() if name not in _WORKED_OUT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def __len__(self) -> int:
        """Return how many windows an epoch has."""
        return len(self._plan)

    @property
    def seed(self) -> int:
        """What decides the order of each epoch, and all that is drawn."""
        return self.options.seed

    @property
    def shuffled(self) -> bool:
        """Whether an epoch has an order of its own; False with ``center`` and ``uniform-k``."""
        return self.options.shuffled

    @property
    def weighted(self) -> bool:
        """Whether clips are drawn by weight, so that an epoch may show one several times."""
        return self._shares is not None

    def identity(self) -> dict[str, Any]:
        """Return what decides which windows there are and their order, as values that JSON has.

        Raises:
            DatasetDamaged: An index cannot be read.
        """
        weights = None if self._shares is None else digest_of(self._shares)
        about = {"weights": weights, "clips": self.clips.fingerprint()}
        return {"windows": len(self), **self.options.identity(), **about}

    def check_one_size(self) -> None:
        """See that all windows have frames of one size, so that batches can be made of them.

        Raises:
            UsageError: They have several; the message names clips of each.
        """
        sizes = self.clips.sizes()[self._plan.clips]
        if (sizes == sizes[0]).all():
            return
        found, counts = np.unique(sizes, axis=0, return_counts=True)
        commonest = found[np.argsort(-counts, kind="stable")]
        named = [
            self._described(size, self._plan.clips[(sizes == size).all(axis=1)])
            for size in commonest[:_SIZES_NAMED]
        ]
        more = f" and {len(found) - len(named):,} sizes more" if len(found) > len(named) else ""
        width, height = commonest[0]
        alike = f"select clip_id from clips where width = {width} and height = {height}"  # noqa: S608
        raise UsageError(
            f"expected frames of one size, as a batch needs them, got {'; '.join(named)}{more}: "
            f'make the data set with --size WxH, choose clips by where="clip_id in ({alike})", '
            "or bring each window to one size before it is put into a batch"
        )

    def _described(self, size: NDArray[np.int32], clips: NDArray[np.int32]) -> str:
        paths = list(dict.fromkeys(self.clips[int(clip)].path for clip in clips[:_CLIPS_NAMED]))
        more = ", …" if clips.size > _CLIPS_NAMED else ""
        return (
            f"{size[0]}x{size[1]} in {format_count(clips.size, 'clip')} ({', '.join(paths)}{more})"
        )

    @overload
    def __getitem__(self, number: int) -> Window: ...
    @overload
    def __getitem__(self, number: slice) -> list[Window]: ...
    def __getitem__(self, number: int | slice) -> Window | list[Window]:
        """Return one window as in epoch 0, or several; the same each time.

        Numbers go from clip to clip, unshuffled.

        Raises:
            IndexError: There is no such window.
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        return self.window(number, epoch=0)

    def at(self, place: int, *, epoch: int) -> Window:
        """Return the window at a place of an epoch.

        Every window is at one place of each epoch.  Which one is where depends on the seed, the
        epoch and the place alone.  With ``center`` and ``uniform-k`` it is ``window(place)``.

        Raises:
            IndexError: There is no such place.
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        place, epoch = range(len(self))[place], operator.index(epoch)
        block, row = divmod(place, _BLOCK)
        numbers, spots = self._block(block, epoch)
        return self._sound(int(numbers[row]), epoch, Spots(*(values[row] for values in spots)))

    def _work_out(self, block: int, epoch: int) -> tuple[NDArray[np.int64], Spots]:
        """Return the numbers and the spots of the windows at some neighbouring places.

        They are asked for next, and cost next to nothing together.
        """
        numbers = np.arange(block * _BLOCK, min((block + 1) * _BLOCK, len(self)))
        if self.shuffled:
            numbers = shuffled(numbers, count=len(self), seed=self.seed, epoch=epoch)
        return numbers, self._plan.spots(numbers, epoch=epoch)

    def window(self, number: int, *, epoch: int) -> Window:
        """Return a window by its number, with what is drawn for it in an epoch.

        A sampler of your own, which chooses numbers, so gets other starts in each epoch.  With
        ``weights`` the clip is drawn too.

        Raises:
            IndexError: There is no such window.
            DatasetDamaged: A shard does not hold what its index says; with ``on_damage="skip"``,
                neither do those of 15 other windows in a row.
            OSError: A shard cannot be read; likewise.
        """
        number, epoch = range(len(self))[number], operator.index(epoch)
        return self._sound(number, epoch, self._spot(number, epoch))

    def _spot(self, number: int, epoch: int) -> Spots:
        """Return where one window lies; each array has shape ()."""
        spots = self._plan.spots(np.array([number]), epoch=epoch)
        return Spots(*(values[0] for values in spots))

    def _sound(self, number: int, epoch: int, spot: Spots) -> Window:
        """Return a window that lies at ``spot``, or one in its place if it is damaged."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._read(spot)
            except (DatasetDamaged, OSError) as error:
                # An EnvironmentFault, a missing decoder for instance, is no damage of the window.
                if self.on_damage == "raise" or isinstance(error, EnvironmentFault):
                    raise
                self.damage.note(error)
            other = replacement(
                number, count=len(self), seed=self.seed, epoch=epoch, attempt=attempt
            )
            spot = self._spot(other, epoch)
        return self._read(spot)

    def sample(self, rng: np.random.Generator) -> Window:
        """Return a random window, of a random epoch; ``rng`` and the options decide which.

        Raises:
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        return self.window(int(rng.integers(len(self))), epoch=int(rng.integers(2**63)))

    def spots(self, numbers: NDArray[np.int64], *, epoch: int) -> Spots:
        """Return where windows of an epoch lie: clips, starts and strides.

        Args:
            numbers: Which windows, as in ``window(number)``.  Shape (N,).
            epoch: Decides what is drawn.
        """
        return self._plan.spots(numbers, epoch=epoch)

    def _read(self, spot: Spots) -> Window:
        clip, window, start, stride = map(int, spot)
        length = int(self.clips.lengths()[clip])
        numbers = frames_of_window(
            start, length, window=self.options.window, stride=stride, short=self.options.short
        )
        size = self.options.window or numbers.size
        once = min(numbers.size, period(length, stride=stride))
        source = self.clips.excerpt(clip, numbers[:once])
        frames, pts_ns, mask = source.canvas(size), source.pts_ns, np.ones(size, bool)
        source.decode(frames[:once])
        if once < size:
            pts_ns = np.zeros(size, np.int64)
            pts_ns[:once] = source.pts_ns
            for again in range(once, numbers.size):
                frames[again], pts_ns[again] = frames[again - once], pts_ns[again - once]
            frames[numbers.size :], mask[numbers.size :] = 0, False
        return Window(
            frames=frames,
            mask=mask,
            label_id=UNLABELLED if source.label_id is None else source.label_id,
            label_ids=self._padded(source.label_ids),
            pts_ns=pts_ns,
            pts_s=pts_ns / _NS_PER_S,
            clip_id=source.clip_id,
            path=source.path,
            clip=clip,
            window=window,
        )

    def _padded(self, label_ids: Sequence[int]) -> NDArray[np.int64]:
        padded = np.full(self.clips.most_labels, UNLABELLED, np.int64)
        padded[: len(label_ids)] = label_ids
        return padded


def _opened(clips: str | os.PathLike[str] | Shards, *, split: str | None, check: bool) -> Shards:
    check_flag("check", check)
    if not isinstance(clips, Shards):
        if not isinstance(clips, str | os.PathLike):
            raise UsageError(
                f"expected an output directory or what open_shards gave for it, got {clips!r:.80}"
            )
        return open_shards(clips, split=split, check=check)
    for name, given in (("split", split is not None), ("check", check)):
        if given:
            raise UsageError(f"{name} goes to open_shards, which gave the clips")
    return clips
