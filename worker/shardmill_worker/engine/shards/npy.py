"""npy: all frames of a shard as one array, as numpy maps it into memory.

The format is version 1.0 of numpy/lib/format.py: a header that tells type and shape, then the
array as it lies in memory.  How many frames there are is known at the end, so the header has one
size for every shape and is written last.
"""

import struct
from typing import Final

import numpy as np

from shardmill.contract.errors import InternalError
from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.shards.clip import CHANNELS, Clip, Placed
from shardmill_worker.engine.shards.output import OutputFile

HEADER_BYTES: Final = 128
"""A multiple of 64, as the format asks, with room for any shape."""
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_LENGTH: Final = struct.Struct("<H")


class NpyWriter:
    """Writes one array of shape (N, H, W, 3), uint8, RGB: the clips' frames in a row."""

    def __init__(self, path: str) -> None:
        self._file = OutputFile(path)
        self._file.append(bytes(HEADER_BYTES))
        self._size: Size | None = None
        self._frames = 0

    def add(self, clip: Clip) -> Placed:
        """Append a clip's frames.

        Raises:
            InternalError: They are not raw, or not of the size of those before.
            OSError: The file cannot be written.
        """
        size = Size(clip.width, clip.height)
        self._size = self._size or size
        if clip.encoding != "raw" or size != self._size:
            raise InternalError(
                f"Expected raw frames of {self._size} for an npy shard, "
                f"got {clip.encoding} of {size}."
            )
        start = self._file.end
        offsets = [self._file.append(frame.data) for frame in clip.frames]
        self._frames += len(offsets)
        return Placed(
            record_offset=start,
            record_length=self._file.end - start,
            frame_offset=np.array(offsets, np.int64),
        )

    def finish(self) -> None:
        """Complete the header, flush everything to the disk and close the file."""
        if self._size is not None:
            shape = (self._frames, self._size.height, self._size.width, CHANNELS)
            self._file.overwrite_start(array_header(shape))
        self._file.finish()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        self._file.abandon()


def array_header(shape: tuple[int, ...]) -> bytes:
    """Return the ``HEADER_BYTES`` before the values of a uint8 array in C order."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    room = HEADER_BYTES - len(_MAGIC) - _LENGTH.size
    return _MAGIC + _LENGTH.pack(room) + text.ljust(room - 1) + b"\n"
