"""``docs/failures.md`` links every fault test, and nothing that is not there."""

import re
from pathlib import Path

from source_tree import ROOT

PAGE = ROOT / "docs" / "failures.md"
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)


def functions_in(path: Path) -> set[str]:
    return set(TEST.findall(path.read_text("utf-8"))) if path.is_file() else set()


def linked(page: str) -> set[tuple[str, str]]:
    """Return file and name of every test that a page links."""
    return {(place, name) for name, place in LINK.findall(page)}


def faults(page: str) -> set[str]:
    """Return what is wrong with a page's rows and links."""
    found = linked(page)
    missing = {f"{place}: no {n}" for place, n in found if n not in functions_in(ROOT / place)}
    files = sorted((ROOT / "tests" / "faults").glob("test_*.py"))
    assert files, "no fault tests: this would prove nothing"
    there = {(path.relative_to(ROOT).as_posix(), n) for path in files for n in functions_in(path)}
    unlinked = {f"{place}: {n} is not linked" for place, n in there - found}
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    bare = {row for row in rows if not LINK.search(row) and not row.endswith("| shown by |")}
    return missing | unlinked | bare


def test_every_row_links_tests_that_exist_and_every_fault_test_is_linked():
    assert faults(PAGE.read_text("utf-8")) == set()


def test_a_broken_link_a_missing_one_and_a_bare_row_are_caught():
    page = PAGE.read_text("utf-8")
    (row,) = (line for line in page.splitlines() if "a batch of 256" in line)
    name, place = LINK.search(row).groups()

    assert faults(page.replace(name, f"{name}x")) == {
        f"{place}: no {name}x",
        f"{place}: {name} is not linked",
    }
    assert faults(f"{page}\n| a | b | c |") == {"| a | b | c |"}
