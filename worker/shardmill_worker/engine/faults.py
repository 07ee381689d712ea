"""What went wrong, in the project's own words: libav's errors become item errors.

libav says what it found in its log and only a number in its error.  Its errors are kept,
unprinted, so that a message can quote the last one, and so that damage comes to light of which
libav makes no error: it paints over what is missing.
"""

import logging
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

av.logging.set_level(av.logging.ERROR)
av.logging.set_skip_repeated(False)  # what was said of the file before may be said of this one too
logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False  # nothing is printed

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
CUT_OFF: Final = "The file is cut off."
_SAID_CUT_OFF: Final = re.compile("File ended prematurely|partial file")
"""How libav's demuxers say in their log that the file is shorter than it says."""
_NOT_KNOWN: Final = re.compile(
    r"Unknown compression method|Unknown pixel format|[Ff]ormat is not supported"
    r"|[Bb]it depth \d+ is not supported"
)
"""How libav's decoders of pictures say that they lack something, with the error of bad data."""
_NO_DAMAGE: Final = re.compile(
    "EXIF|Exif"  # orientation is read elsewhere too, the rest of it is of no use here
    "|Incorrect number of colors"  # a BMP's palette, longer than its pixels can use
    "|ended frame decode with [0-9]+ bytes left over"  # behind all pixels of a BMP
)
"""Errors in libav's log of files whose pictures are whole."""
_MISSED: Final = "mmco: unref short failure"
"""H.264 asks to let go of a frame that never came; no picture suffers from that."""


class media_faults:  # noqa: N801 - reads as the function it would be, at a fifth of the cost
    """Turn what native media code raises in a ``with`` block into an ``ItemError``.

    Args:
        doing: What failed, as the start of the message: ``The picture cannot be decoded``.

    Raises:
        ItemError: Any error of libav or OpenCV, or of reading the file.
    """

    __slots__ = ("_doing", "_said_before")

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        self._said_before = av.logging.get_last_error()[0]

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, ShardmillError):
            return
        kind = next((ours for native, ours in _KINDS if isinstance(error, native)), None)
        if kind is None:
            return
        detail = _detail(error, said_since=self._said_before)
        if _PROTOCOL_REFUSED in detail:
            kind = Forbidden
        else:
            check_said_size(detail)
            kind = Unsupported if kind is Corrupt and _NOT_KNOWN.search(detail) else kind
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


class DecodeLog:
    """The errors that libav logs while one file is open.

    Args:
        heard: Level, part of libav and text of each, as they come.
    """

    def __init__(self, heard: list[tuple[int, str, str]]) -> None:
        self._heard = heard

    def texts(self) -> list[str]:
        """Return what was logged since the last look, and forget it."""
        texts = [text for _level, _part, text in self._heard]
        self._heard.clear()
        return texts

    def says_cut_off(self) -> bool:
        """Return whether a demuxer found the file cut off since the last look; forget the rest."""
        return any(_SAID_CUT_OFF.search(text) for text in self.texts())

    def damage(self, *, starts_between: bool = False) -> Corrupt | None:
        """Return what was logged since the last look as damage, None if nothing tells of any.

        Args:
            starts_between: Whether frames may be missed that came before the file's beginning.
        """
        if not self._heard:
            return None
        told = [
            (part, text)
            for _, part, text in self._heard
            if not (_NO_DAMAGE.search(text) or (starts_between and _MISSED in text))
        ]
        self._heard.clear()
        if any(_SAID_CUT_OFF.search(text) for _, text in told):
            return Corrupt(CUT_OFF)
        if not told:
            return None
        part, text = told[0]
        said = printable(f"{part}: {text.strip().rstrip('.')}")[:_MESSAGE_LIMIT]
        return Corrupt(f"The file is damaged, the decoder reports: {said}.")


@contextmanager
def decode_log() -> Iterator[DecodeLog]:
    """Listen to libav on this thread: a decoder with threads of its own would not be heard."""
    with av.logging.Capture() as heard:
        yield DecodeLog(heard)


def _detail(error: BaseException, *, said_since: int) -> str:
    """Return what went wrong as the end of a sentence: libav's log says more than its error.

    Args:
        error: What was raised.
        said_since: How many errors libav had logged before: those were about something else.
    """
    if not isinstance(error, FFmpegError):
        return printable(f"{error}").rstrip(".")
    log: Any = error.log  # PyAV's stub tells another shape
    if log is None or log[1] in _CATCH_ALLS or av.logging.get_last_error()[0] == said_since:
        part, said = "", ""
    else:
        part, said = log[1:]
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
    with _as_environment_fault(
        f"cannot write to {printable(out)}", "free or mend the output directory"
    ):
        yield


@contextmanager
def reading_faults(out: str) -> Iterator[None]:
    """Turn an error of reading the output directory into an ``EnvironmentFault``."""
    with _as_environment_fault(f"cannot read {printable(out)}", "mend its drive"):
        yield


@contextmanager
def _as_environment_fault(failure: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except EnvironmentFault:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise EnvironmentFault(f"{failure}: {reason}; {remedy}, then resume the job") from error


def machine_fault(path: str, error: OSError) -> EnvironmentFault:
    """Return the fault that a file cannot be read for a reason that is not its own."""
    reason = error.strerror or str(error)
    return EnvironmentFault(
        f"cannot read {printable(path)}: {reason}; mend the machine or its mount, or leave the "
        "file out with --exclude, then resume the job"
    )


def missing_root(root: str) -> EnvironmentFault | None:
    """Return the fault if the input directory itself is gone."""
    if os.path.isdir(root):
        return None
    return EnvironmentFault(
        f"expected the input directory at {printable(root)}, found none: "
        "mount it on every worker, then resume the job"
    )
