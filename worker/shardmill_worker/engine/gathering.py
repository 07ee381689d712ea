"""Clips gathered out of one pass over a video: each frame goes to all that want it."""

from collections.abc import Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shardmill_worker.engine.decode import SourceFrame
from shardmill_worker.engine.media import Media

HELD_BYTES: Final = 256_000_000
"""What may be held of later clips while an earlier one is not complete."""

Kept = TypeVar("Kept")
Kept_co = TypeVar("Kept_co", covariant=True)


class Keep(Protocol[Kept_co]):
    """Makes what is kept of a clip's frames."""

    def begin(self) -> None:
        """Forget all frames so far: the reading begins again."""
        ...

    def __call__(self, media: Media, frame: SourceFrame) -> Kept_co:
        """Return what is kept; the frame itself does not outlive the call."""
        ...

    @property
    def held_bytes(self) -> int:
        """How much memory what was made since ``begin`` takes; 0 for next to nothing."""
        return 0


class Gathering(Generic[Kept]):
    """Clips in the making, complete one after the other in their order.

    Where too much would be held, the last clips are put off: those from ``stop`` on come in
    another pass.

    Args:
        wanted: The frames of each clip.  Shape (K,) each, increasing.
        keeps: Makes what is kept, one a clip.
    """

    def __init__(self, wanted: Sequence[NDArray[np.int64]], keeps: Sequence[Keep[Kept]]) -> None:
        indices = np.concatenate(wanted)
        owners = np.repeat(np.arange(len(wanted)), [clip.size for clip in wanted])
        order = np.argsort(indices, kind="stable")
        self.indices = np.unique(indices)
        """The frames that any clip wants, shape (M,), increasing."""
        self.stop = len(wanted)
        """End of the clips that this pass completes (exclusive)."""
        self._ahead = zip(indices[order].tolist(), owners[order].tolist(), strict=True)
        self._next = next(self._ahead, None)
        self._sizes = [clip.size for clip in wanted]
        self._keeps = keeps
        self._kept: list[list[Kept]] = [[] for _ in wanted]
        self._head = 0
        self._held_bytes = 0
        for keep in keeps:
            keep.begin()

    def is_over(self) -> bool:
        """Whether every clip of this pass has come out."""
        return self._head == self.stop

    def take(self, media: Media, frame: SourceFrame) -> None:
        """Let every clip that wants a frame keep it; frames come in order."""
        while self._next is not None and self._next[0] == frame.index:
            clip = self._next[1]
            if clip < self.stop:
                before = self._keeps[clip].held_bytes
                self._kept[clip].append(self._keeps[clip](media, frame))
                self._held_bytes += self._keeps[clip].held_bytes - before
            self._next = next(self._ahead, None)
        while self._held_bytes > HELD_BYTES and self.stop > self._head + 1:
            self.stop -= 1
            self._give_up(self.stop)

    def finished(self) -> Iterator[list[Kept]]:
        """Yield what was kept of each clip that is complete, in their order, once."""
        while self._head < self.stop and len(self._kept[self._head]) == self._sizes[self._head]:
            kept = self._kept[self._head]
            self._give_up(self._head)
            self._head += 1
            yield kept

    def _give_up(self, clip: int) -> None:
        self._kept[clip] = []
        self._held_bytes -= self._keeps[clip].held_bytes
