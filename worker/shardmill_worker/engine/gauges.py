"""How far a decoder is with its work: numbers in shared memory, which its slot reads.

A decoder that crashes or hangs cannot answer.  The numbers are there all the same: which row it
was at, how many frames it has decoded, how long the row may take.
"""

import ctypes
import os
from typing import Any, Final

FILE_BYTES: Final = 256


class Shared(ctypes.Structure):
    """The numbers; a slot allocates them, its decoder alone writes them."""

    _fields_ = (
        ("finished", ctypes.c_uint64),
        ("decoded", ctypes.c_uint64),
        ("allowed_s", ctypes.c_double),
        ("frames", ctypes.c_uint64),
        ("frames_kept", ctypes.c_uint64),
        ("cost_us", ctypes.c_uint64),
        ("file", ctypes.c_char * FILE_BYTES),
    )


class Gauges:
    """The decoder's side.

    Args:
        shared: A ``Shared``.
    """

    __slots__ = ("shared",)

    def __init__(self, shared: Any) -> None:
        self.shared = shared

    def reset(self, allowed_s: float) -> None:
        """Begin a piece of work, whose preparation may take ``allowed_s``."""
        self.expect(frames=0, frames_kept=0, cost_us=0)
        self.begin("", allowed_s)
        self.shared.finished = 0

    def expect(self, *, frames: int, frames_kept: int, cost_us: int) -> None:
        """Note the estimate of the whole work: frames to decode and to keep, microseconds."""
        self.shared.frames = frames
        self.shared.frames_kept = frames_kept
        self.shared.cost_us = cost_us

    def begin(self, path: str, allowed_s: float) -> None:
        """Note which file the next row is, and how many seconds it may take."""
        self.shared.file = os.fsencode(path).replace(b"\0", b"")[: FILE_BYTES - 1]
        self.shared.allowed_s = allowed_s

    def finish(self) -> None:
        """Count a row as finished."""
        self.shared.finished += 1

    def advance(self) -> None:
        """Count a decoded frame: a sign of life within a row."""
        self.shared.decoded += 1
