"""What every comparison gives, and which of its differences are explained."""

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

EXPLAINED = Path(__file__).with_name("explained.tsv")


@dataclass(frozen=True, order=True)
class Difference:
    """One value in which two hands disagree."""

    path: str
    """The file, below the corpus."""
    what: str
    """Which value: a column, a plane, a policy."""
    ours: str = field(compare=False)
    theirs: str = field(compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What explanations go by."""
        return self.path, self.what


@dataclass(frozen=True)
class Comparison:
    """A claim, what was compared to show it, and where it does not hold."""

    name: str
    """Short and unique: the first column of ``explained.tsv``."""
    claim: str
    """One or two sentences for a reader of the page."""
    header: tuple[str, ...]
    """Names of the columns of ``rows``."""
    rows: list[tuple[str, ...]]
    """What was compared, summed up: one row a codec, a policy or a column; text for the page."""
    differences: list[Difference]


def explanations(name: str) -> dict[tuple[str, str], str]:
    """Return the reason of each explained difference of a comparison, by path and what."""
    with EXPLAINED.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {(r["path"], r["what"]): r["reason"] for r in rows if r["comparison"] == name}


def assert_explained(comparison: Comparison, *, among: Collection[str] | None = None) -> None:
    """Fail for a difference without a reason, and for a reason without its difference.

    Args:
        among: The files that were compared; by default the whole corpus.
    """
    reasons = {
        (path, what): why
        for (path, what), why in explanations(comparison.name).items()
        if among is None or path in among
    }
    unexplained = [d for d in sorted(comparison.differences) if d.key not in reasons]
    stale = sorted(reasons.keys() - {d.key for d in comparison.differences})
    assert unexplained == [], f"{len(unexplained)} differences without a reason"
    assert stale == [], f"{len(stale)} reasons that are not needed any more"


def table(comparison: Comparison) -> str:
    """Return the rows as a Markdown table: the first column names, the others count."""
    ruler = ("---", *("---:" for _ in comparison.header[1:]))
    lines = (comparison.header, ruler, *comparison.rows)
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)


def plain(text: str) -> str:
    """Return text that Markdown leaves as it is, in a cell and between backticks."""
    return re.sub(r"[|`\n]", "·", text)
