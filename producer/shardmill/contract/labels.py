"""Labels: what class a file belongs to, and the stable numbers of the classes.

A label goes into indexes, shards and other people's programs, so it is text: what a name has
that is none is escaped.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from shardmill.contract.errors import UsageError
from shardmill.contract.quantity import printable

MAX_CLASSES: Final = 500_000
"""The most classes of a job.  More is a column of captions or of names, taken for labels."""
GROUP: Final = "label"
"""The group of a pattern that is the label."""


def label_of(path: str) -> str | None:
    """Return the first folder of a path below the input directory; None at the top."""
    folder, slash, _ = path.partition("/")
    return printable(folder) if slash else None


def last_folder(path: str) -> str | None:
    """Return the folder that holds a path below the input directory; None at the top."""
    above, slash, _ = path.rpartition("/")
    return printable(above.rpartition("/")[2]) if slash else None


def pattern_label(pattern: str) -> Callable[[str], str | None]:
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
