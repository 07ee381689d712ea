"""``OUT/classes.json``: the number of each class, which it keeps for good.

The rows of the manifest hold the numbers too, and shards and other programs are made with them.
So the rows decide where the file is lost, damaged, or says otherwise.
"""

import shlex
from collections.abc import Iterable, Mapping

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.layout import Layout
from shardmill.storage.files import read_json, write_json


def read_classes(layout: Layout) -> dict[str, int]:
    """Return label to number, as ``classes.json`` says.

    Raises:
        FileNotFoundError: There is no such file.
        DatasetDamaged: It does not give each label a number of its own.
    """
    found = read_json(layout.classes)
    numbers = list(found.values()) if isinstance(found, dict) else [None]
    are_numbers = all(type(number) is int and number >= 0 for number in numbers)
    if not are_numbers or len(set(numbers)) < len(numbers):
        raise DatasetDamaged(f"{layout.classes} does not give each label a number of its own")
    return dict(found)


def write_classes(layout: Layout, classes: Mapping[str, int]) -> None:
    """Write ``classes.json``, in the order of the numbers."""
    write_json(layout.classes, dict(sorted(classes.items(), key=lambda pair: pair[1])))


def classes_of_rows(layout: Layout) -> dict[str, int]:
    """Return label to number, as the rows of the manifest say.

    Raises:
        DatasetDamaged: A part cannot be read, or rows contradict each other.
    """
    parts = layout.parts()
    if not parts:
        return {}
    from shardmill.dataset.manifest import classes_of  # which brings Arrow

    classes: dict[str, int] = {}
    labels: dict[int, str] = {}
    for label, number in _pairs(map(classes_of, parts)):
        known, holder = classes.setdefault(label, number), labels.setdefault(number, label)
        if (known, holder) != (number, label):
            one, other = sorted((holder, label))
            twice = f"numbers {known} and {number} for {label!r}"
            wrong = twice if known != number else f"number {number} for {one!r} and {other!r}"
            raise DatasetDamaged(
                f"expected one number for each class, found {wrong} in the manifest: "
                f"`shardmill retry {shlex.quote(layout.out)} --damaged` makes the rows again"
            )
    return classes


def _pairs(found: Iterable[set[tuple[str, int]]]) -> Iterable[tuple[str, int]]:
    return (pair for pairs in found for pair in sorted(pairs))


def known_classes(layout: Layout) -> tuple[dict[str, int], bool]:
    """Return label to number, and whether ``classes.json`` says the same.

    What the rows say comes first; of what the file says beyond that, each label stays whose number
    no other has in the rows.

    Raises:
        DatasetDamaged: A part cannot be read, or rows contradict each other.
    """
    in_rows = classes_of_rows(layout)
    try:
        written = read_classes(layout)
    except FileNotFoundError:
        return in_rows, not in_rows
    except DatasetDamaged:
        return in_rows, False
    taken = set(in_rows.values())
    free = {label: number for label, number in written.items() if number not in taken}
    known = free | in_rows
    return known, known == written
