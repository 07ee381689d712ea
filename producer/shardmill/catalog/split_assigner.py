"""Which split each source goes to: every class shared out as evenly as its sources allow.

Sources that belong together (a group) go together.  Groups come in the order of a hash of their
key, so that which one goes where is as good as drawn, and the same on every machine.  A source
that has its split already keeps it; new ones go where most is missing.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

import pyarrow as pa

from shardmill.catalog.catalog import CHUNK_ROWS, Catalog, sql
from shardmill.contract.options.split import Split, group_of
from shardmill.inputs.scan import source_of


def place_in_order(group: bytes) -> int:
    """Return by what groups are sorted before they are dealt: 63 bits of a hash."""
    return int.from_bytes(hashlib.blake2b(group, digest_size=8).digest()) >> 1


class SplitAssigner:
    """Deals groups of sources to splits.

    What counts is how much a split lacks of its share of the class dealt so far; where two lack
    the same, how much it lacks of everything; so small classes are no disadvantage of any split.
    """

    def __init__(self, splits: Sequence[Split]) -> None:
        self._splits = splits
        self._of_class: defaultdict[str | None, list[int]] = defaultdict(lambda: [0] * len(splits))
        self._of_all = [0] * len(splits)

    def keep(self, label: str | None, *, sources: int, split: str) -> None:
        """Take note of sources that have their split; one of another name counts for none."""
        for number, known in enumerate(self._splits):
            if known.name == split:
                self._count(label, sources, number)

    def deal(self, label: str | None, *, sources: int) -> str:
        """Return the split of the next group.

        Args:
            label: Class of its sources; None without one, or for several.
            sources: How many.
        """
        own = self._lacking(self._of_class[label], sources)
        total = self._lacking(self._of_all, sources)
        number = max(range(len(self._splits)), key=lambda n: (own[n], total[n], -n))
        self._count(label, sources, number)
        return self._splits[number].name

    def _lacking(self, dealt: Sequence[int], more: int) -> list[Fraction]:
        total = sum(dealt) + more
        return [split.share * total - have for split, have in zip(self._splits, dealt, strict=True)]

    def _count(self, label: str | None, sources: int, number: int) -> None:
        self._of_class[label][number] += sources
        self._of_all[number] += sources


def assign_splits(
    catalog: Catalog, splits: Sequence[Split], pattern: re.Pattern[str] | None
) -> None:
    """Decide to which split each input goes; what has rows with a split keeps it.

    Args:
        catalog: The inputs, compared with what is done.
        splits: The splits and their shares.
        pattern: What inputs of one group have in common; None makes each its own group.
    """
    inputs = catalog.db.cursor().execute(sql("classes"))
    while rows := inputs.fetchmany(CHUNK_ROWS):
        paths, are_sequences, labels = zip(*rows, strict=True)
        groups = [
            group_of(path, pattern, alone=source_of(path, is_sequence=is_sequence))
            for path, is_sequence in zip(map(os.fsdecode, paths), are_sequences, strict=True)
        ]
        members = {
            "path": pa.array(paths, pa.binary()),
            "grp": pa.array(groups, pa.binary()),
            "place": pa.array(map(place_in_order, groups), pa.uint64()),
            "label": pa.array(labels, pa.string()),
        }
        catalog.insert("member", pa.table(members))
    found = catalog.db.execute(sql("groups")).fetchall()
    assigner = SplitAssigner(splits)
    assigned = [(group, split) for group, split, _, _ in found if split is not None]
    for _, split, label, sources in found:
        if split is not None:
            assigner.keep(label, sources=sources, split=split)
    assigned += [
        (group, assigner.deal(label, sources=sources))
        for group, split, label, sources in found
        if split is None
    ]
    columns = {
        "grp": pa.array((group for group, _ in assigned), pa.binary()),
        "split": pa.array((split for _, split in assigned), pa.string()),
    }
    catalog.insert("assigned", pa.table(columns))
