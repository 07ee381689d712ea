"""The locks pin all that pyproject.toml asks for, with hashes, and name no place to get it."""

import re
import tomllib
from itertools import pairwise

import pytest
from packaging.requirements import Requirement

from source_tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = PROJECT["build-system"]["requires"]
LOCKS = {"run": ["all"], "dev": ["dev"], "frameworks": ["frameworks"], "bench": ["bench"]}
"""Lock to the extras that it serves."""
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;\\]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def wanted(extra: str) -> list[Requirement]:
    """Every requirement of an extra, with those of the extras that it names."""
    found = []
    for text in EXTRAS[extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["project"]["name"]:
            found += [inner for name in sorted(requirement.extras) for inner in wanted(name)]
        else:
            found.append(requirement)
    return found


def pins(lock: str) -> dict[str, list[str]]:
    """Name to pinned versions: several where they depend on the Python version."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines():
        if match := PIN.match(line):
            found.setdefault(match["name"], []).append(match["version"])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_pyproject(lock):
    """``make lock`` was forgotten if this fails."""
    base = [Requirement(text) for text in PROJECT["project"]["dependencies"] + BUILD]
    pinned = pins(lock)

    for requirement in [*base, *(r for extra in LOCKS[lock] for r in wanted(extra))]:
        assert requirement.name in pinned
        for version in pinned[requirement.name]:
            assert version in requirement.specifier, f"{requirement} but {version} is locked"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_hashes_and_nothing_else(lock):
    """No index, no link, no path: what is installed is decided by the hashes alone."""
    lines = (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()
    strange = [
        line
        for line in lines
        if not PIN.match(line) and not HASH.match(line) and not line.lstrip().startswith("#")
    ]

    assert strange == []
    assert not [line for line in lines if "/" in line]
    for first, second in pairwise(lines):
        assert not PIN.match(first) or HASH.match(second), f"{first} has no hash"


def test_development_runs_what_users_run():
    run, dev = pins("run"), pins("dev")

    assert {name: dev.get(name) for name in run} == run


def test_the_build_is_the_one_of_pyproject():
    assert PROJECT["dependency-groups"]["build"] == BUILD
