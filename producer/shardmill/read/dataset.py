"""Windows of consecutive frames of an output directory, in any order."""

from typing import Final, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError
from shardmill.read.shards import open_shards
from shardmill.read.windows import Short, frames_of_window, locate, starts_per_clip

Sample = Literal["uniform-windows", "uniform-clips"]
UNLABELLED: Final = -1


class Window(TypedDict):
    """Frames for one training example."""

    frames: NDArray[np.uint8]
    """Shape (T, H, W, 3), uint8, RGB; black where ``mask`` is False."""
    mask: NDArray[np.bool_]
    """True where the clip has a frame.  Shape (T,)."""
    label_id: int
    """Class number; ``UNLABELLED`` (-1) if there is none."""
    pts_ns: NDArray[np.int64]
    """When each frame is shown, on the stream's own clock; 0 where ``mask`` is False."""
    clip_id: str
    """Which clip the frames are from."""


class ClipDataset:
    """Random access to windows of frames; may be forked, or pickled to another process.

    Args:
        out: Output directory.  Clips that are committed later do not show.
        window: Frames of a window.
        stride: Frames from one of a window to its next.
        sample: ``uniform-windows`` makes every window equally likely, so long clips weigh more;
            ``uniform-clips`` makes every clip equally likely, then every start in it.
        short: A clip shorter than a window is left out (``drop``), filled up with black that
            the mask tells of (``pad``), or played again from its start (``loop``).
        seed: Decides the start in its clip of ``self[i]`` with ``uniform-clips``.

    Raises:
        UsageError: An option is impossible, or no clip is long enough.
        DatasetDamaged: The manifest or an index cannot be read.
    """

    def __init__(
        self,
        out: str,
        *,
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
        self._window, self._stride, self._short, self._seed = window, stride, short, seed
        self._by_clip = sample == "uniform-clips"
        self._clips = open_shards(out)
        lengths = self._clips.lengths()
        starts = starts_per_clip(lengths, window=window, stride=stride, short=short)
        self._usable = np.flatnonzero(starts)
        self._ends = np.cumsum(starts[self._usable])
        if not self._usable.size:
            raise UsageError(
                f"expected clips of at least {(window - 1) * stride + 1} frames, the longest of "
                f"{lengths.size} has {lengths.max(initial=0)}: choose a smaller window, or "
                "short='pad'"
            )

    def __len__(self) -> int:
        """Return how many windows there are; with ``uniform-clips`` how many usable clips."""
        return self._usable.size if self._by_clip else int(self._ends[-1])

    def __getitem__(self, number: int) -> Window:
        """Return one window; the same each time.

        Raises:
            IndexError: There is no such window.
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        number = range(len(self))[number]
        if self._by_clip:
            return self._any_of_clip(number, np.random.default_rng((self._seed, number)))
        return self._read(*locate(number, self._ends))

    def sample(self, rng: np.random.Generator) -> Window:
        """Return a random window; ``rng`` alone decides which.

        Raises:
            DatasetDamaged: A shard does not hold what its index says.
            OSError: A shard cannot be read.
        """
        number = int(rng.integers(len(self)))
        return self._any_of_clip(number, rng) if self._by_clip else self[number]

    def _any_of_clip(self, number: int, rng: np.random.Generator) -> Window:
        first = int(self._ends[number - 1]) if number else 0
        return self._read(number, int(rng.integers(int(self._ends[number]) - first)))

    def _read(self, number: int, start: int) -> Window:
        """Return the window that begins with frame ``start`` of a usable clip."""
        clip = self._clips[int(self._usable[number])]
        numbers = frames_of_window(
            start, len(clip), window=self._window, stride=self._stride, short=self._short
        )
        count = numbers.size
        frames = clip.canvas(self._window)
        clip.decode(numbers, frames[:count])
        pts_ns = np.zeros(self._window, np.int64)
        pts_ns[:count] = clip.pts_ns[numbers]
        return Window(
            frames=frames,
            mask=np.arange(self._window) < count,
            label_id=UNLABELLED if clip.label_id is None else clip.label_id,
            pts_ns=pts_ns,
            clip_id=clip.clip_id,
        )
