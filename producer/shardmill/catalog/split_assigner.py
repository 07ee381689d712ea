"""Which split each source goes to: every class shared out as evenly as its sources allow.

Sources that belong together (a group) go together.  Groups come in the order of a hash of their
key, so that which one goes where is as good as drawn, and the same on every machine.  A source
that has its split already keeps it; new ones go where most is missing.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from shardmill.contract.options.split import Split


def place_in_order(group: bytes) -> int:
    """Return by what groups are sorted before they are dealt: 63 bits of a hash."""
    return int.from_bytes(hashlib.blake2b(group, digest_size=8).digest()) >> 1


class Dealer:
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
