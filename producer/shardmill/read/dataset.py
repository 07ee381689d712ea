"""Windows of consecutive frames of an output directory, in any order."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError
from shardmill.contract.quantity import format_count
from shardmill.read.order import at_place, drawn
from shardmill.read.shards import Shards, open_shards
from shardmill.read.windows import Short, frames_of_window, locate, period, starts_per_clip

Sample = Literal["uniform-windows", "uniform-clips"]
UNLABELLED: Final = -1
_SIZES_TOLD: Final = 4
"""Sizes that an error about different sizes names."""
_CLIPS_TOLD: Final = 3
"""Clips of each size that it names."""


class Window(TypedDict):
    """Frames for one training example."""

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
    clip_id: str
    """Which clip the frames are from."""


class ClipDataset:
    """Random access to windows of frames; may be forked, or pickled to another process.

    Args:
        clips: Output directory, or what ``open_shards`` gave for it.  Clips that are committed
            later do not show.
        split: Of an output directory that has splits, the one to read; ``all`` for all of them.
        window: Frames of a window.
        stride: Frames from one of a window to its next.
        sample: ``uniform-windows`` makes every window equally likely, so long clips weigh more;
            ``uniform-clips`` makes every clip equally likely, then every start in it.
        short: A clip shorter than a window is left out (``drop``), filled up with black that
            the mask tells of (``pad``), or played again from its start (``loop``).
        seed: Decides the order of each epoch, and with ``uniform-clips`` the starts.

    Raises:
        UsageError: An option is impossible, or no clip is long enough.
        DatasetDamaged: The manifest or an index cannot be read.
    """

    def __init__(  # noqa: PLR0913 - they say together what a window is
        self,
        clips: str | os.PathLike[str] | Shards,
        *,
        split: str | None = None,
        window: int = 64,
        stride: int = 1,
        sample: Sample = "uniform-windows",
        short: Short = "drop",
        seed: int = 0,
    ) -> None:
        for name, value, choices in (
            ("sample", sample, get_args(Sample)),
            ("short", short, get_args(Short)),
        ):
            if value not in choices:
                raise UsageError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
        for name, number, least in (
            ("window", window, 1),
            ("stride", stride, 1),
            ("seed", seed, 0),
        ):
            if number < least:
                raise UsageError(f"{name} must be at least {least}, got {number}")
        if isinstance(clips, Shards):
            if split is not None:
                raise UsageError("split goes to open_shards, which gave the clips")
            self.clips = clips
        else:
            self.clips = open_shards(clips, split=split)
        self.window, self.stride, self.short, self.seed = window, stride, short, seed
        self.sample_by = sample
        lengths = self.clips.lengths()
        starts = starts_per_clip(lengths, window=window, stride=stride, short=short)
        self._usable = np.flatnonzero(starts).astype(np.int32)
        self._edges = np.zeros(self._usable.size + 1, np.int64)
        np.cumsum(starts[self._usable], out=self._edges[1:])
        if not self._usable.size:
            raise UsageError(
                f"expected clips of at least {(window - 1) * stride + 1} frames, the longest of "
                f"{lengths.size} has {lengths.max(initial=0)}: choose a smaller window, or "
                "short='pad'"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        options: dict[str, Any] = {"window": self.window, "stride": self.stride}
        options |= {"sample": self.sample_by, "short": self.short, "seed": self.seed}
        return partial(ClipDataset, self.clips, **options), ()

    def __len__(self) -> int:
        """Return how many windows an epoch has: all, or with ``uniform-clips`` one a clip."""
        return self._usable.size if self.sample_by == "uniform-clips" else int(self._edges[-1])

    def check_one_size(self) -> None:
        """See that all windows have frames of one size, so that batches can be made of them.

        Raises:
            UsageError: They have several; the message names clips of each.
        """
        sizes = self.clips.sizes()[self._usable]
        if (sizes == sizes[0]).all():
            return
        found, counts = np.unique(sizes, axis=0, return_counts=True)
        commonest = found[np.argsort(-counts, kind="stable")]
        told = [
            self._told(size, self._usable[(sizes == size).all(axis=1)])
            for size in commonest[:_SIZES_TOLD]
        ]
        more = f" and {len(found) - len(told):,} sizes more" if len(found) > len(told) else ""
        width, height = commonest[0]
        alike = f"select clip_id from clips where width = {width} and height = {height}"  # noqa: S608
        raise UsageError(
            f"expected frames of one size, as a batch needs them, got {'; '.join(told)}{more}: "
            f'make the data set with --size WxH, choose clips by where="clip_id in ({alike})", '
            "or bring each window to one size before it is put into a batch"
        )

    def _told(self, size: NDArray[np.int32], clips: NDArray[np.int32]) -> str:
        paths = list(dict.fromkeys(self.clips[int(clip)].path for clip in clips[:_CLIPS_TOLD]))
        more = ", …" if clips.size > _CLIPS_TOLD else ""
        return (
            f"{size[0]}x{size[1]} in {format_count(clips.size, 'clip')} ({', '.join(paths)}{more})"
        )

    def __getitem__(self, number: int) -> Window:
        """Return one window; the same each time.  Numbers go from clip to clip, unshuffled.

        Raises:
            IndexError: There is no such window.
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        number = range(len(self))[number]
        return self._window_of(number, epoch=0)

    def at(self, place: int, *, epoch: int) -> Window:
        """Return the window at a place of an epoch, whose order is shuffled.

        Every window is at one place of each epoch.  Which one is where depends on the seed, the
        epoch and the place alone.  With ``uniform-clips`` each epoch starts elsewhere in a clip.

        Raises:
            IndexError: There is no such place.
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        place = range(len(self))[place]
        number = at_place(place, count=len(self), seed=self.seed, epoch=epoch)
        return self._window_of(number, epoch=epoch)

    def sample(self, rng: np.random.Generator) -> Window:
        """Return a random window; ``rng`` alone decides which.

        Raises:
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        number = int(rng.integers(len(self)))
        if self.sample_by == "uniform-windows":
            return self[number]
        choices = int(self._edges[number + 1] - self._edges[number])
        return self.read(int(self._usable[number]), int(rng.integers(choices)))

    def spots(
        self, numbers: NDArray[np.int64], *, epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where windows lie: their clips, as numbered in ``clips``, and first frames.

        Args:
            numbers: Which windows, as in ``self[number]``.  Shape (N,).
            epoch: Decides the starts with ``uniform-clips``, and nothing otherwise.

        Returns:
            Two arrays of shape (N,).
        """
        if self.sample_by == "uniform-clips":
            choices = self._edges[numbers + 1] - self._edges[numbers]
            starts = drawn(numbers, choices, seed=self.seed, epoch=epoch)
            return self._usable[numbers].astype(np.int64), starts
        rows, starts = locate(numbers, self._edges)
        return self._usable[rows].astype(np.int64), starts

    def read(self, clip: int, start: int) -> Window:
        """Return the window that begins with frame ``start`` of a clip.

        Raises:
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        source = self.clips[clip]
        numbers = frames_of_window(
            start, len(source), window=self.window, stride=self.stride, short=self.short
        )
        count = numbers.size
        frames = source.canvas(self.window)
        once = min(count, period(len(source), stride=self.stride))
        source.decode(numbers[:once], frames[:once])
        for again in range(once, count):
            frames[again] = frames[again - once]
        frames[count:] = 0
        pts_ns = np.zeros(self.window, np.int64)
        pts_ns[:count] = source.pts_ns[numbers]
        return Window(
            frames=frames,
            mask=np.arange(self.window) < count,
            label_id=UNLABELLED if source.label_id is None else source.label_id,
            label_ids=self._padded(source.label_ids),
            pts_ns=pts_ns,
            clip_id=source.clip_id,
        )

    def _padded(self, label_ids: Sequence[int]) -> NDArray[np.int64]:
        padded = np.full(self.clips.most_labels, UNLABELLED, np.int64)
        padded[: len(label_ids)] = label_ids
        return padded

    def _window_of(self, number: int, *, epoch: int) -> Window:
        (clip,), (start,) = self.spots(np.array([number]), epoch=epoch)
        return self.read(int(clip), int(start))
