"""Labels: what class a file belongs to, and the stable numbers of the classes.

A label goes into indexes, shards and other people's programs, so it is text: what a name has
that is none is escaped.  An archive is a folder here, of its name without the suffix.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import InvalidSpec, UsageError
from shardmill.contract.location.archive import without_suffix
from shardmill.contract.quantity import printable

MAX_CLASSES: Final = 500_000
"""The most classes of a job.  More is a column of captions or of names, taken for labels."""
GROUP: Final = "label"
"""The group of a pattern that is the label."""
PATTERN_MARK: Final = f"(?P<{GROUP}>"
"""What a pattern has and no other word of ``--labels``."""

LabelOf = Callable[[str], str | None]
"""From a path below the input directory to its label; None if it has none."""


def label_of(path: str) -> str | None:
    """Return the first folder of a path below the input directory; None at the top."""
    folder, slash, _ = path.partition("/")
    return printable(without_suffix(folder)) if slash else None


def last_folder(path: str) -> str | None:
    """Return the folder that holds a path below the input directory; None at the top."""
    above, slash, _ = path.rpartition("/")
    return printable(without_suffix(above.rpartition("/")[2])) if slash else None


def no_label(path: str) -> str | None:  # noqa: ARG001 - one of several rules
    """Return None: nothing is labelled."""
    return None


WORDS: Final[dict[str, LabelOf]] = {"dirs": label_of, "last": last_folder, "none": no_label}
"""What ``--labels`` may be besides a pattern and the name of a file."""


def pattern_label(pattern: str) -> LabelOf:
    """Return a function from a path, or any text, to the label that a pattern finds in it.

    Args:
        pattern: A regular expression with a group ``(?P<label>...)``, searched for anywhere.
            Where it is not found, or the group is empty, there is no label.

    Raises:
        UsageError: The pattern is no regular expression, or has no such group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"expected a regular expression for labels, got {pattern!r}: {error}"
        ) from error
    if GROUP not in compiled.groupindex:
        raise UsageError(
            f"expected a group named label in the pattern, got {pattern!r}: "
            f"put (?P<{GROUP}>...) around the part that is the label"
        )

    def label(text: str) -> str | None:
        match = compiled.search(text)
        return printable(match[GROUP]) if match and match[GROUP] else None

    return label


class LabelSource(Struct, frozen=True):
    """What ``--labels`` says: one word, one pattern, or files of annotations."""

    words: tuple[str, ...]

    def check(self) -> None:
        """See that they go together.

        Raises:
            InvalidSpec: They do not, one is empty, or a pattern is none.
        """
        if not self.words or not all(self.words):
            raise InvalidSpec("--labels must be a word, a pattern or a file, got nothing")
        if 0 < len(self.files) < len(self.words) or len(self.words) > len(self.files) + 1:
            raise InvalidSpec(
                f"--labels must be one word or pattern, or files; got {', '.join(self.words)}"
            )
        try:
            _ = self.rule
        except UsageError as error:
            raise InvalidSpec(f"--labels: {error}") from error

    @property
    def files(self) -> tuple[str, ...]:
        """The files of annotations, each with its split before it."""
        return tuple(word for word in self.words if word not in WORDS and PATTERN_MARK not in word)

    @property
    def is_pattern(self) -> bool:
        """Whether a pattern finds the label in the path."""
        return PATTERN_MARK in self.words[0]

    @property
    def rule(self) -> LabelOf:
        """From a path to its label; none for any if files are to tell."""
        (first, *_) = self.words
        return pattern_label(first) if self.is_pattern else WORDS.get(first, no_label)


def check_class_count(count: int, label: str) -> None:
    """See that there are not too many classes.

    Args:
        count: How many there are.
        label: The last of them, as an example.

    Raises:
        UsageError: There are more than ``MAX_CLASSES``.
    """
    if count > MAX_CLASSES:
        raise UsageError(
            f"expected at most {MAX_CLASSES:,} classes, got more, {label!r:.60} among them: "
            "name the column or folder that holds the class, not a caption or a name"
        )


def number_classes(known: dict[str, int], labels: Iterable[str]) -> dict[str, int]:
    """Return label to id: known ones keep theirs, new ones follow in sorted order.

    Raises:
        UsageError: There are more than ``MAX_CLASSES``.
    """
    new: set[str] = set()
    for label in labels:
        if label not in known:
            new.add(label)
            check_class_count(len(known) + len(new), label)
    first = max(known.values(), default=-1) + 1
    return known | {label: first + i for i, label in enumerate(sorted(new))}
