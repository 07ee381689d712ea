"""The tiers of the suite: which tests there are, by what they need, and which of them are heavy.

A test belongs to one tier: that of the rarest thing it needs, else that of its folder.  What of a
tier only ``make test-all`` runs stands, with the reason, in ``heavy.tsv``.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Tier:
    """One kind of tests."""

    name: str
    """Marker of its tests."""
    shows: str
    """What they are about."""
    folders: tuple[str, ...] = ()
    """Folders below ``tests/`` that are all of this tier."""
    needs: frozenset[str] = frozenset()
    """Things of the machine, in ``NEEDS`` of conftest, any of which brings a test here."""


TIERS = (
    Tier("faults", "jobs whose parts are killed, frozen and cut off", folders=("faults",)),
    Tier("compose", "the containers", needs=frozenset({"docker"})),
    Tier(
        "frameworks",
        "shards read by TensorFlow, PyTorch, Grain and webdataset, and the loops that train",
        needs=frozenset(
            {"tensorflow", "torch", "training", "grain", "webdataset", "kubernetes_validate"}
        ),
    ),
    Tier("browser", "pages in Chromium", needs=frozenset({"chromium"})),
    Tier("install", "fresh environments and clones", needs=frozenset({"index"})),
    Tier("corpus", "real files by many hands", needs=frozenset({"corpus"})),
    Tier("jobs", "parts together: Redis, workers, decoders", folders=("integration", "acceptance")),
    Tier("contract", "architecture, sizes, locks, pages", folders=("contract",)),
    Tier("unit", "pure functions and single modules", folders=("unit",)),
)
"""In the order of precedence, which is about that of what a test of the tier costs."""

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Heavy:
    """What only ``make test-all`` runs of one file or one function: a row of ``heavy.tsv``."""

    test: str
    """Below ``tests/``: a file, or ``file::function``."""
    light: frozenset[str]
    """Names of its functions, or ids of its parameters, that ``make test`` runs too."""
    reason: str

    def covers(self, item: pytest.Item) -> bool:
        """Return whether a test is of this file or function."""
        file, _, function = self.test.partition("::")
        return item.path == TESTS / file and function in {"", _function(item)}

    def is_light(self, item: pytest.Item) -> bool:
        """Return whether a test that is covered is run all the same."""
        return not self.light.isdisjoint({_function(item), _parameters(item)})


def _function(item: pytest.Item) -> str:
    return item.name.partition("[")[0]


def _parameters(item: pytest.Item) -> str:
    return item.name.partition("[")[2].removesuffix("]")


def heavy() -> list[Heavy]:
    """Return the table of what ``make test`` leaves out."""
    with (TESTS / "heavy.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Heavy(row["test"], frozenset(filter(None, row["light"].split("; "))), row["reason"])
            for row in rows
        ]


def stale(items: Iterable[pytest.Item]) -> list[str]:
    """Return the rows of ``heavy.tsv`` that name no test, or as light what is none of theirs."""
    found = []
    for row in heavy():
        covered = [item for item in items if row.covers(item)]
        names = {name for item in covered for name in (_function(item), _parameters(item))}
        if all(map(row.is_light, covered)):
            found.append(f"{row.test}: leaves nothing out")
        found += [f"{row.test}: no {name}" for name in sorted(row.light - names)]
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "heavy: only make test-all runs it, see heavy.tsv")
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier.name}: {tier.shows}")


def needs_of(item: pytest.Item) -> set[str]:
    """Return the things of the machine that a test asks for, by fixture or by marker."""
    markers = {marker.name for marker in item.iter_markers()}
    marked = {name.removeprefix("needs_") for name in markers if name.startswith("needs_")}
    fixtures = {name.removesuffix("_python") for name in getattr(item, "fixturenames", ())}
    return marked | fixtures


def tier_of(item: pytest.Item) -> Tier:
    """Return the tier of a test."""
    needs = needs_of(item)
    folders = item.nodeid.split("/")[:-1]
    for tier in TIERS:
        if tier.needs & needs or set(tier.folders) & set(folders):
            return tier
    raise pytest.UsageError(f"{item.nodeid} belongs to no tier: see TIERS in tests/tiers.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test with its tier, and begin with the dear ones: two processes end together."""
    left_out = heavy()
    for item in items:
        tier = tier_of(item)
        item.add_marker(tier.name)
        item.user_properties.append(("tier", tier.name))
        if any(row.covers(item) and not row.is_light(item) for row in left_out):
            item.add_marker("heavy")
    are_all = config.rootpath == TESTS.parent and config.args == config.getini("testpaths")
    if are_all and (wrong := stale(items)):
        raise pytest.UsageError("heavy.tsv is stale: " + "; ".join(wrong))
    rank = {tier.name: number for number, tier in enumerate(TIERS)}
    of_file: dict[Path, int] = {}
    for item in items:
        own = rank[tier_of(item).name]
        of_file[item.path] = min(own, of_file.get(item.path, own))
    items.sort(key=lambda item: of_file[item.path])
