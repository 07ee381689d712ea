"""What every shard format is given, and what it answers."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.schema import Item

CHANNELS: Final = 3
"""Of every frame, when it is decoded: RGB."""
UNLABELLED: Final = -1
"""Class number of a clip that has none."""


class StoredFrame(Struct, frozen=True):
    """An encoded frame and where it came from."""

    data: bytes
    """The encoded picture."""
    pts_ns: int
    """When it is shown, on the stream's own clock."""
    source_index: int
    """Number in the source, in display order from 0."""
    keyframe: bool
    """True where the source could start decoding."""


class Clip(Struct, frozen=True, kw_only=True):
    """The frames of one item: a clip, or a part of one."""

    item: Item
    """Where they came from."""
    clip_id: str
    """Stable name; all parts of a clip have the same."""
    encoding: str
    """``jpeg``, ``png`` or ``raw``."""
    width: int
    """Width of every frame, pixels."""
    height: int
    """Height of every frame, pixels."""
    fps: float
    """Frames per second of the source; 0 if unknown or an image."""
    frames: Sequence[StoredFrame]
    """In display order, at least one."""

    @property
    def part(self) -> int:
        """Number of the part of the clip, from 0."""
        return self.item.segment if self.item.is_part else 0

    @property
    def parts(self) -> int:
        """Number of parts that the clip was cut into; 1 for a clip that was not cut."""
        return self.item.segments if self.item.is_part else 1

    @property
    def record_name(self) -> str:
        """Name of the record in the shard: that of the clip, with the number of its part."""
        return self.clip_id if self.parts == 1 else f"{self.clip_id}-{self.part:03d}"

    @property
    def class_labels(self) -> tuple[int, ...]:
        """Numbers of its classes; ``UNLABELLED`` alone if there is none."""
        return self.item.label_ids or (UNLABELLED,)

    @property
    def class_texts(self) -> tuple[str, ...]:
        """Names of its classes; one empty name if there is none."""
        return self.item.labels or ("",)

    @property
    def size_bytes(self) -> int:
        """Size of the encoded frames together."""
        return sum(len(frame.data) for frame in self.frames)


class Placed(Struct, frozen=True):
    """Where a clip lies in its shard."""

    record_offset: int
    """First byte of the clip's record, framing included."""
    record_length: int
    """Size of the clip's record, framing included."""
    frame_offset: NDArray[np.int64]
    """Shape (T,).  First byte of each encoded frame."""


class ShardWriter(Protocol):
    """Writes clips, one after the other, to one shard file."""

    def add(self, clip: Clip) -> Placed:
        """Append a clip.

        Raises:
            ItemError: The format cannot hold such a clip; nothing was written.
            OSError: The file cannot be written.
        """
        ...

    def finish(self) -> None:
        """Flush everything to the disk and close the file.

        Raises:
            OSError: The file cannot be written.
        """
        ...

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        ...
