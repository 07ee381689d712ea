"""What went wrong, in the project's own words: libav's errors become item errors.

libav says what it found in its log and only a number in its error.  Its errors are kept,
unprinted, so that a message can quote the last one.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import av
from av.error import FFmpegError

from shardmill.contract.errors import (
    Corrupt,
    EnvironmentFault,
    Forbidden,
    ItemError,
    ItemMemory,
    ShardmillError,
    TooLarge,
    Unreadable,
    Unsupported,
)
from shardmill.contract.quantity import printable

av.logging.set_level(av.logging.PANIC)  # nothing is printed, yet the last error is remembered

MAX_PIXELS: Final = 2**28
"""The largest picture that is decoded: 268 million pixels, 16384 x 16384."""

_KINDS: Final[tuple[tuple[type[Exception], type[ItemError]], ...]] = (
    (av.error.DecoderNotFoundError, Unsupported),
    (av.error.DemuxerNotFoundError, Unsupported),
    (av.error.PatchWelcomeError, Unsupported),
    (av.error.BSFNotFoundError, Unsupported),
    (av.error.NotImplementedError, Unsupported),
    (av.error.ExperimentalError, Unsupported),
    (av.error.ProtocolNotFoundError, Forbidden),
    (av.error.MemoryError, ItemMemory),
    (FFmpegError, Corrupt),
    (UnicodeError, Corrupt),
    (ValueError, Corrupt),
    (OverflowError, Corrupt),
    (MemoryError, ItemMemory),
    (OSError, Unreadable),
)
"""The first type that fits decides; libav's own errors stand before the built-ins they inherit."""
_SIZE_SAID: Final = re.compile(r"(?:[Ss]ize|dimensions) (\d+)[x ](\d+)")
_PROTOCOL_REFUSED: Final = "not on whitelist 'none'"
_MESSAGE_LIMIT: Final = 300


@contextmanager
def media_faults(doing: str) -> Iterator[None]:
    """Turn what native media code raises into an ``ItemError``.

    Args:
        doing: What failed, as the start of the message: ``The picture cannot be decoded``.

    Raises:
        ItemError: Any error of libav or OpenCV, or of reading the file.
    """
    try:
        yield
    except ShardmillError:
        raise
    except tuple(native for native, _ in _KINDS) as error:
        kind = next(ours for native, ours in _KINDS if isinstance(error, native))
        detail = _detail(error)
        if _PROTOCOL_REFUSED in detail:
            kind = Forbidden
        elif (size := _SIZE_SAID.search(detail)) and int(size[1]) * int(size[2]) > MAX_PIXELS:
            kind = TooLarge
        raise kind(f"{doing}: {detail}.") from error


def _detail(error: Exception) -> str:
    if not isinstance(error, FFmpegError):
        return printable(f"{error}").rstrip(".")
    said = f"{error.strerror}".rstrip(".")
    log: Any = error.log  # PyAV's stub tells another shape
    if log is None:
        return said
    _level, part, text = log
    return printable(f"{said} ({part}: {text.strip()})"[:_MESSAGE_LIMIT])


@contextmanager
def output_faults(out: str) -> Iterator[None]:
    """Turn an error of writing into an ``EnvironmentFault``: no item is to blame for it."""
    try:
        yield
    except EnvironmentFault:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise EnvironmentFault(
            f"cannot write to {printable(out)}: {reason}; "
            "free or mend the output directory, then resume the job",
        ) from error


def missing_root(root: str) -> EnvironmentFault | None:
    """Return the fault if the input directory itself is gone."""
    if os.path.isdir(root):
        return None
    return EnvironmentFault(
        f"expected the input directory at {printable(root)}, found none: "
        "mount it on every worker, then resume the job"
    )
