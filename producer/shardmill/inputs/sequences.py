"""Groups numbered pictures into image sequences, or finds folders where that may be wanted."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from string import digits
from typing import Final

from shardmill.contract.location.image_sequence import (
    LEAST_PICTURES,
    NamePattern,
    NumberedFile,
    missing_in,
    patterns_of,
    pictures_at,
    sequence_of,
)
from shardmill.contract.quantity import format_count
from shardmill.inputs.scan import (
    IMAGE_SUFFIXES,
    Files,
    Filter,
    Found,
    Scanned,
    one_by_one,
    suffix,
)

SUGGESTED_PICTURES: Final = 8
"""A folder of fewer numbered pictures is not counted."""
SUGGESTED_SPAN: Final = 1.1
"""Nor one whose numbers span more than so many times their count: those are names, not frames."""
_MOST_HEADS: Final = 16
"""Different beginnings of names that are counted in one folder."""


class SequenceGrouper:
    """Groups the numbered pictures of each folder into image sequences, and counts them.

    Args:
        hz: At how many a second their numbers count.
        wanted: Tells inputs from other files: a sequence by its own name, other pictures by theirs.
    """

    def __init__(self, hz: float, wanted: Filter) -> None:
        self._hz = hz
        self._wanted = wanted
        self._sequences = self._pictures = self._uneven = self._missing = self._unheeded = 0

    def group(self, inputs: Iterable[Scanned]) -> Iterator[Found]:
        """Yield the inputs, one for all pictures of a sequence.

        Args:
            inputs: Folder by folder, with all pictures; those of one folder are held in memory.
        """
        for folder, members in groupby(
            one_by_one(inputs), key=lambda found: found.path.rpartition("/")[0]
        ):
            pictures: dict[str, Found] = {}
            for found in members:
                name = found.path.rpartition("/")[2]
                if suffix(name) in IMAGE_SUFFIXES:
                    pictures[name] = found
                else:
                    yield found
            yield from self._of_folder(f"{folder}/" if folder else "", pictures)

    def _of_folder(self, folder: str, pictures: dict[str, Found]) -> Iterator[Found]:
        for pattern, names in list(patterns_of(pictures)):
            files = [_numbered(pattern, name, pictures.pop(name)) for name in names]
            found = _sequence(f"{folder}{pattern.name}", files, self._hz)
            if self._wanted.is_input(found.path, pattern.name):
                self._count(folder, files)
                yield found
        for name, picture in pictures.items():
            if self._wanted.is_input(picture.path, name):
                yield picture

    def _count(self, folder: str, files: list[NumberedFile]) -> None:
        missing = missing_in([file.number for file in files])
        self._sequences += 1
        self._pictures += len(files)
        self._uneven += missing > 0
        self._missing += missing
        self._unheeded += sum(
            self._wanted.excludes(folder + file.name, file.name) for file in files
        )

    def summary(self) -> str:
        """Return how many sequences there are, and what is odd about them, as a sentence."""
        if not self._sequences:
            return "--sequences found no numbered pictures: every picture is an input of its own"
        text = (
            f"{format_count(self._pictures, 'numbered picture')} taken as "
            f"{format_count(self._sequences, 'image sequence')}"
        )
        if self._missing:
            text += (
                f"; numbers missing in {self._uneven:,} of them: {self._missing:,}, see the column "
                "pictures_missing"
            )
        if self._unheeded:
            text += (
                f"; --exclude matches {self._unheeded:,} of the pictures, which are taken all the "
                "same: it leaves out whole sequences, by their names"
            )
        return text


class Suggestion:
    """Counts the folders whose pictures ``--sequences`` would probably take as clips.

    The names of at least ``SUGGESTED_PICTURES`` pictures end in numbers nearly without gaps.
    Whether they are frames of a video cannot be known from names, so the result is a suggestion.
    """

    def __init__(self) -> None:
        self._folders = self._files = 0

    def observe(self, inputs: Iterable[Scanned]) -> Iterator[Scanned]:
        """Yield the inputs, which come folder by folder, and count their names."""
        folder = ""
        spans: dict[tuple[str, str], list[int]] = {}
        for each in inputs:
            yield each
            if not isinstance(each, Files):
                continue
            if each.folder != folder:
                self._leave(spans)
                folder, spans = each.folder, {}
            for name in each.names:
                _count_number(name, spans)
        self._leave(spans)

    def _leave(self, spans: dict[tuple[str, str], list[int]]) -> None:
        files = sum(
            count
            for count, low, high in spans.values()
            if count >= SUGGESTED_PICTURES and high - low + 1 <= SUGGESTED_SPAN * count
        )
        self._files += files
        self._folders += files > 0

    def summary(self) -> str | None:
        """Return how many folders there are, as a sentence; None without any."""
        if not self._folders:
            return None
        hold = "1 folder holds" if self._folders == 1 else f"{self._folders:,} folders hold"
        return (
            f"{hold} numbered pictures ({self._files:,} files): if they are the frames of videos, "
            "--sequences takes them as clips"
        )


def _count_number(name: str, spans: dict[tuple[str, str], list[int]]) -> None:
    """Count a picture by the number that its name ends in: how many, the lowest, the highest."""
    stem, _, kind = name.rpartition(".")
    head = stem.rstrip(digits)
    if len(head) == len(stem) or kind.lower() not in IMAGE_SUFFIXES:
        return
    number = int(stem[len(head) :])
    span = spans.get((head, kind))
    if span is not None:
        span[:] = span[0] + 1, min(span[1], number), max(span[2], number)
    elif len(spans) < _MOST_HEADS:
        spans[head, kind] = [1, number, number]


def named_sequences(base: str, path: str, hz: float) -> list[Found]:
    """Return the sequences that a path names: those of a folder, or the one of that name.

    Args:
        base: What the path is relative to.
        path: As a list of inputs has it.
        hz: At how many a second the numbers count.
    """
    place = os.path.join(base, path)
    try:
        names = [name for name in os.listdir(place) if suffix(name) in IMAGE_SUFFIXES]
    except OSError:
        is_name = NamePattern.parse(os.path.basename(path)) and not os.path.lexists(place)
        return [sequence_at(base, path, hz)] if is_name else []
    shown = [name for name in names if not name.startswith(".")]
    return [sequence_at(base, f"{path}/{pattern.name}", hz) for pattern, _ in patterns_of(shown)]


def sequence_at(base: str, path: str, hz: float) -> Found:
    """Return a sequence as it is now; one that is gone has size 0, and probing tells why."""
    try:
        pictures = pictures_at(os.path.join(base, path))
    except OSError:
        pictures = []
    return _sequence(path, pictures, hz) if len(pictures) >= LEAST_PICTURES else Found(path, 0, 0)


def _numbered(pattern: NamePattern, name: str, found: Found) -> NumberedFile:
    number = pattern.number_in(name)
    assert number is not None
    return NumberedFile(number, name, found.size_bytes, found.mtime_ns)


def _sequence(path: str, files: list[NumberedFile], hz: float) -> Found:
    size_bytes = sum(file.size_bytes for file in files)
    mtime_ns = max(file.mtime_ns for file in files)
    return Found(path, size_bytes, mtime_ns, sequence=sequence_of(files, hz))
