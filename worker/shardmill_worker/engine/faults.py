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
av.logging.set_skip_repeated(False)  # what was said of the file before may be said of this one too

MAX_PIXELS: Final = 2**28
"""The largest picture that is decoded, with a margin: 268 million pixels, 16256 x 16256."""
_MARGIN: Final = 128
"""libav counts a picture as so many pixels wider and higher than it is."""

_KINDS: Final[tuple[tuple[type[Exception], type[ItemError]], ...]] = (
    (av.error.DecoderNotFoundError, Unsupported),
    (av.error.DemuxerNotFoundError, Unsupported),
    (av.error.PatchWelcomeError, Unsupported),
    (av.error.BSFNotFoundError, Unsupported),
    (av.error.NotImplementedError, Unsupported),
    (av.error.ExperimentalError, Unsupported),
    (av.error.ProtocolNotFoundError, Forbidden),
    (av.error.MemoryError, TooLarge),
    (FFmpegError, Corrupt),
    (UnicodeError, Corrupt),
    (ValueError, Corrupt),
    (OverflowError, Corrupt),
    (MemoryError, ItemMemory),
    (OSError, Unreadable),
)
"""The first type that fits decides; libav's own errors stand before the built-ins they inherit."""
_OWN_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (av.error.InvalidDataError, "its data is damaged or of an unknown kind"),
    (av.error.ExternalError, "its data is damaged or of an unknown kind"),
    (av.error.PatchWelcomeError, "it is damaged, or needs what FFmpeg does not support"),
    (av.error.ExperimentalError, "it needs what FFmpeg does not support yet"),
    (av.error.EOFError, "it ends too early"),
    (av.error.MemoryError, "it asks for more memory than libav gives at once"),
)
"""What libav's most frequent errors mean; the others speak for themselves."""
_MAX_SIDE: Final = 2**31 - 1
"""More than that is a negative number, misread."""
_CATCH_ALLS: Final = frozenset({"mp3"})
"""Demuxers that libav hands a file to when no other wants it: what they miss says nothing."""
_SIZE_SAID: Final = re.compile(r"(?:[Ss]ize|dimensions) (-?\d+)[x ](-?\d+)")
_ADVICE: Final = ", add '-strict"
"""How libav begins to tell about options of the ``ffmpeg`` program."""
_PROTOCOL_REFUSED: Final = "not on whitelist 'none'"
NO_CODEC: Final = "no codec"
"""A whitelist of codecs that none is on."""
_CODEC_REFUSED: Final = f"not on whitelist '{NO_CODEC}'"
"""Logged of each file that is opened without codecs: no later error means that."""
_MESSAGE_LIMIT: Final = 300


class media_faults:  # noqa: N801 - reads as the function it would be, at a fifth of the cost
    """Turn what native media code raises in a ``with`` block into an ``ItemError``.

    Args:
        doing: What failed, as the start of the message: ``The picture cannot be decoded``.

    Raises:
        ItemError: Any error of libav or OpenCV, or of reading the file.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, ShardmillError):
            return
        kind = next((ours for native, ours in _KINDS if isinstance(error, native)), None)
        if kind is None:
            return
        detail = _detail(error)
        if _PROTOCOL_REFUSED in detail:
            kind = Forbidden
        else:
            check_said_size(detail)
        raise kind(f"{self._doing}: {detail}.") from error


def check_pixels(width: int, height: int) -> None:
    """Raise for a picture that is too large to decode, by the rule that libav goes by.

    Raises:
        TooLarge: The picture is beyond ``MAX_PIXELS``.
    """
    if (width + _MARGIN) * (height + _MARGIN) >= MAX_PIXELS:
        raise TooLarge(f"Expected at most {MAX_PIXELS:,} pixels, the file claims {width}x{height}.")


def check_said_size(said: str) -> None:
    """Raise if what libav said names a possible size that is too large.

    Raises:
        TooLarge: The picture is beyond ``MAX_PIXELS``.
    """
    if (size := _SIZE_SAID.search(said)) is not None:
        width, height = int(size[1]), abs(int(size[2]))  # a BMP from the top down has a minus
        if 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE:
            check_pixels(width, height)


@contextmanager
def listening() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the errors that libav logs, each as level, part and text."""
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as heard:
            yield heard
    finally:
        av.logging.set_level(av.logging.PANIC)


def _detail(error: BaseException) -> str:
    """Return what went wrong as the end of a sentence: libav's log says more than its error."""
    if not isinstance(error, FFmpegError):
        return printable(f"{error}").rstrip(".")
    log: Any = error.log  # PyAV's stub tells another shape
    part, said = ("", "") if log is None or log[1] in _CATCH_ALLS else log[1:]
    said = said.partition(_ADVICE)[0].strip().rstrip(".!")
    said = "" if _CODEC_REFUSED in said else said
    meant = next((words for native, words in _OWN_WORDS if isinstance(error, native)), None)
    if not said:
        return meant or printable(f"{error.strerror}").rstrip(".")
    said = printable(f"{part}: {said}" if part else said)[:_MESSAGE_LIMIT]
    own_words_say_more = meant is not None and not isinstance(error, av.error.InvalidDataError)
    return f"{meant} ({said})" if own_words_say_more else said


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
