"""Image sequences: pictures of one folder whose names differ in one number, taken as one clip.

A sequence has the name that FFmpeg's ``image2`` demuxer gives it, as in ``frame_%05d.png``: the
number's place is ``%d``, or ``%05d`` where zeros fill numbers up to five digits, and a ``%`` of the
names themselves is ``%%``.  The name decides which files of the folder belong to the sequence, so
no list of them crosses the queue: the worker lists the folder again, and compares the digest.
"""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from stat import S_ISREG
from typing import Any, Final, Self

from msgspec import Struct
from msgspec.structs import asdict, astuple

from shardmill.contract.errors import TooLarge, is_of_machine
from shardmill.contract.options.sampling import MAX_TIME_NS, NS_PER_S
from shardmill.contract.quantity import storable_mtime_ns

LEAST_PICTURES: Final = 2
USUAL_HZ: Final = 25.0
HZ_LIMITS: Final = (1e-6, 1e9)
"""Numbers a second: names may be frame numbers, or times in nanoseconds."""
_MAX_DENOMINATOR: Final = 1_000_000
"""29.97002997 Hz is 30000/1001 Hz."""
_DIGITS: Final = re.compile("[0-9]+")
_FIELD: Final = re.compile("%(?:0([1-9][0-9]*))?d|%%")


class ImageSequence(Struct, frozen=True):
    """What an item has of its sequence; the fields of ``Item`` are explained there."""

    pictures: int
    pictures_hz: float
    pictures_digest: str

    def fields(self) -> dict[str, Any]:
        """Return what an ``Item`` has of it."""
        return asdict(self)

    def encode(self) -> str:
        """Return it as one text."""
        return json.dumps(astuple(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what ``encode`` gave."""
        return cls(*json.loads(text))

    def is_possible(self, path: str) -> bool:
        """Return whether a sequence of this path could be so."""
        low, high = HZ_LIMITS
        return (
            self.pictures >= LEAST_PICTURES
            and low <= self.pictures_hz <= high
            and NamePattern.parse(os.path.basename(path)) is not None
        )


class NamePattern(Struct, frozen=True):
    """What the names of a sequence's pictures have in common."""

    head: str
    """What precedes the number; no digit is next to it."""
    width: int
    """Digits that a number has at least, filled up with zeros; 0 if none is filled up."""
    tail: str
    """What follows the number, to the end; no digit is next to it."""

    @property
    def name(self) -> str:
        """The name of the sequence, as FFmpeg takes it."""
        head, tail = self.head.replace("%", "%%"), self.tail.replace("%", "%%")
        return f"{head}%0{self.width}d{tail}" if self.width else f"{head}%d{tail}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read the name of a sequence; None if it is none."""
        fields = [field for field in _FIELD.finditer(name) if field[0] != "%%"]
        if len(fields) != 1 or "/" in name:
            return None
        (field,) = fields
        head, tail = name[: field.start()], name[field.end() :]
        pattern = cls(head.replace("%%", "%"), int(field[1] or 0), tail.replace("%%", "%"))
        return pattern if pattern.name == name else None

    def number_in(self, name: str) -> int | None:
        """Return the number in the name of one of the pictures; None for any other file."""
        digits = name[len(self.head) : len(name) - len(self.tail)]
        rest = name[len(name) - len(self.tail) :]
        if not (name.startswith(self.head) and _DIGITS.fullmatch(digits)):
            return None
        if _stem_and_suffix(rest) != _stem_and_suffix(self.tail):
            return None
        is_filled_up = len(digits) >= self.width and _width(digits) in (0, self.width)
        return int(digits) if is_filled_up else None


class NumberedFile(Struct, frozen=True):
    """A picture of a sequence."""

    number: int
    name: str
    size_bytes: int
    """0 for a file that cannot be looked at."""
    mtime_ns: int


def patterns_of(names: Collection[str]) -> Iterator[tuple[NamePattern, list[str]]]:
    """Yield the sequences among the picture names of a folder, and the names of each by number.

    Names that are equal but for their numbers are compared: the number that counts the pictures is
    the last one in which two of them differ, all else being equal.  The suffix is no part of that;
    its case does not matter.  Names that no one pattern gives (``1.png`` and ``01.png``) are no
    sequence, nor are those whose pattern is itself the name of a file.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        stem, suffix = _stem_and_suffix(name)
        pieces = _DIGITS.split(stem)
        if len(pieces) > 1:
            alike[(*pieces, suffix)].append(name)
    for fixed, members in alike.items():
        for group in _groups(members, numbers=len(fixed) - 2):
            found = _pattern(*group)
            if found is not None and found[0].name not in names:
                yield found


def _groups(names: list[str], *, numbers: int) -> Iterator[tuple[list[str], int]]:
    """Yield the names that differ in one number alone, and which number of theirs that is."""
    split = [(name, _DIGITS.findall(_stem_and_suffix(name)[0])) for name in names]
    for place in reversed(range(numbers)):
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, digits in split:
            groups[(*digits[:place], *digits[place + 1 :])].append(name)
        several = [group for group in groups.values() if len(group) >= LEAST_PICTURES]
        if several:
            yield from ((group, place) for group in several)
            return


def _pattern(names: list[str], place: int) -> tuple[NamePattern, list[str]] | None:
    """Return the pattern that gives all of these names, each with another number; None if none."""
    spans = {name: list(_DIGITS.finditer(name))[place].span() for name in names}
    ordered = sorted(names, key=lambda name: (int(name[slice(*spans[name])]), name))
    start, end = spans[ordered[0]]
    width = max(_width(name[slice(*spans[name])]) for name in names)
    pattern = NamePattern(ordered[0][:start], width, ordered[0][end:])
    numbers = [pattern.number_in(name) for name in ordered]
    is_whole = None not in numbers and len(set(numbers)) == len(numbers)
    return (pattern, ordered) if is_whole else None


def _width(digits: str) -> int:
    """Return how many digits zeros fill a number up to; 0 for a number without them."""
    return len(digits) if digits.startswith("0") and len(digits) > 1 else 0


def _stem_and_suffix(name: str) -> tuple[str, str]:
    """Return what precedes the last dot, and what follows it in lower case."""
    stem, _, suffix = name.rpartition(".")
    return stem, suffix.lower()


def pictures_at(path: str) -> list[NumberedFile]:
    """List the pictures of a sequence as they are now, by number.

    Args:
        path: Its folder, and its name.

    Raises:
        OSError: The folder cannot be read.
    """
    folder, name = os.path.split(path)
    pattern = NamePattern.parse(name)
    found: list[NumberedFile] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            number = pattern.number_in(entry.name) if pattern is not None else None
            if number is None:
                continue
            try:
                status = entry.stat()
            except OSError as error:
                if is_of_machine(error):
                    raise
                found.append(NumberedFile(number, entry.name, 0, 0))
                continue
            if S_ISREG(status.st_mode):
                size_bytes = status.st_size
                mtime_ns = storable_mtime_ns(status.st_mtime_ns)
                found.append(NumberedFile(number, entry.name, size_bytes, mtime_ns))
    return sorted(found, key=lambda picture: (picture.number, picture.name))


def sequence_of(pictures: Sequence[NumberedFile], hz: float) -> ImageSequence:
    """Return what an item has of a sequence.

    Args:
        pictures: By number.
        hz: At how many a second the numbers count.
    """
    digest = hashlib.blake2b(digest_size=16)
    for picture in pictures:
        digest.update(os.fsencode(picture.name))
        digest.update(b"\0%d %d\n" % (picture.size_bytes, picture.mtime_ns))
    return ImageSequence(len(pictures), hz, digest.hexdigest())


def times_ns(numbers: Sequence[int], hz: float) -> list[int]:
    """Return when each picture of a sequence is shown, from the first on, and when the last ends.

    The number is the time: where one is missing the picture before it is shown for longer, and no
    later one moves.  The last picture is shown for the shortest step between two.

    Args:
        numbers: Increasing, two at least.
        hz: At how many a second they count.

    Returns:
        One more than there are numbers, rounded down.

    Raises:
        TooLarge: They last longer than a clip may.
    """
    rate = Fraction(hz).limit_denominator(_MAX_DENOMINATOR)
    first, end = numbers[0], end_of(numbers)
    times = [
        (number - first) * NS_PER_S * rate.denominator // rate.numerator
        for number in (*numbers, end)
    ]
    if times[-1] > MAX_TIME_NS:
        raise TooLarge(
            f"Expected numbers of at most 30 years at {hz:g} a second, found {first} to "
            f"{numbers[-1]}: say in --fps-of how many of them are a second."
        )
    return times


def end_of(numbers: Sequence[int]) -> int:
    """Return the number at which the last picture ends: one shortest step behind its own."""
    return numbers[-1] + _shortest_step(numbers)


def missing_in(numbers: Sequence[int]) -> int:
    """Return how many numbers are left out, by the shortest step between two."""
    step = _shortest_step(numbers)
    return sum((after - before) // step - 1 for before, after in pairwise(numbers))


def _shortest_step(numbers: Sequence[int]) -> int:
    return min(after - before for before, after in pairwise(numbers))
