"""Labels: what class a file belongs to, and the stable numbers of the classes."""

from collections.abc import Iterable

from shardmill.contract.quantity import printable


def label_of(path: str) -> str | None:
    """Return the first folder of a path below the input directory; None at the top.

    A label goes into indexes, shards and other people's programs, so it is text: what a name has
    that is none is escaped.
    """
    folder, slash, _ = path.partition("/")
    return printable(folder) if slash else None


def number_classes(known: dict[str, int], labels: Iterable[str]) -> dict[str, int]:
    """Return label to id: known ones keep theirs, new ones follow in sorted order."""
    new = sorted(set(labels) - known.keys())
    first = max(known.values(), default=-1) + 1
    return known | {label: first + i for i, label in enumerate(new)}
