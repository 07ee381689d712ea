"""The tiers: every test has one, CONTRIBUTING names them all, and what is left out says why."""

import re
import subprocess
import sys

import pytest

from changed import ALWAYS, called_for, differing
from conftest import NEEDS
from source_tree import ROOT
from suite import Case, cases, told
from tiers import TESTS, TIERS, heavy

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_contributing_has_a_row_for_each_tier_with_its_needs():
    rows = {
        name: set(re.findall(r"`(\w+)`", needs))
        for name, needs in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
        if name in {tier.name for tier in TIERS}
    }

    assert rows.keys() == {tier.name for tier in TIERS}
    assert all(tier.needs <= rows[tier.name] for tier in TIERS)
    assert set.union(*rows.values()) == NEEDS.keys()


def test_what_only_test_all_runs_says_why():
    rows = heavy()

    assert len(rows) > 30
    assert len({row.test for row in rows}) == len(rows)
    assert all(row.reason and (TESTS / row.test.split("::")[0]).exists() for row in rows)


def test_the_suite_tells_where_the_time_went(tmp_path):
    (tmp_path / "test_a.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    report = tmp_path / "report.xml"
    command = (sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", f"--junitxml={report}")
    subprocess.run([*command, tmp_path], check=True, capture_output=True)

    found = list(cases(report))
    assert [case.name.split("::")[-1] for case in found] == ["test_one", "test_two"]
    assert {case.tier for case in found} == {"none"}

    lines = list(told([Case(90.0, "unit", "a"), Case(6.0, "unit", "b")], wall_s=60.0))
    assert lines[1:3] == ["    90.0  a", "     6.0  b"]
    assert lines[-2:] == ["     1.6  unit (2 tests)", "     1.0  all of it, by the clock"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("producer/shardmill/ledger/client.py", "tests/unit/ledger"),
        ("producer/shardmill/annotations/presets.py", "tests/unit/annotations"),
        ("producer/shardmill/api/steering.py", "tests/unit/test_python_interface.py"),
        ("producer/shardmill/__init__.py", "tests/unit/test_python_interface.py"),
        ("worker/shardmill_worker/execution/lease.py", "tests/unit/execution"),
        ("worker/shardmill_worker/engine/formats/png.py", "tests/unit/engine"),
        ("benchmarks/scan.py", "tests/unit/benchmarks"),
        ("tests/integration/test_run.py", "tests/integration/test_run.py"),
        ("tests/made_heif.py", "tests/unit/engine/test_tiles.py"),
    ],
)
def test_a_change_calls_for_the_tests_of_its_package(changed, expected):
    found = set(called_for([changed])) - set(ALWAYS)

    assert expected in found
    assert all((ROOT / place).exists() for place in found | set(ALWAYS))


def test_what_differs_from_main_is_what_git_says(tmp_path):
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "-q", "-b", "main")
    for name in ("same", "edited", "committed"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("checkout", "-q", "-b", "branch")
    (tmp_path / "committed").write_text("2")
    git("commit", "-q", "-a", "-m", "second")
    (tmp_path / "edited").write_text("2")
    (tmp_path / "new").write_text("1")

    assert sorted(differing(tmp_path)) == ["committed", "edited", "new"]
