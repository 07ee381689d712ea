"""Run the suite and say where its time went: ``python tests/suite.py [--all]``.

Everything but the faults runs in two processes, a file's tests always in one of them, so that what
its tests share is made once.  The faults go by leases and time-outs: they run alone, last.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tiers import TIERS

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
SLOWEST = 20


class Case(NamedTuple):
    """One test that has run, its fixtures included."""

    seconds: float
    tier: str
    name: str


def run(selection: str, *options: str, report: Path) -> int:
    """Run the tests that an expression of markers selects; return pytest's exit code."""
    command = (sys.executable, "-m", "pytest", "-q", "-m", selection, f"--junitxml={report}")
    return subprocess.run([*command, *options]).returncode


def cases(report: Path) -> Iterator[Case]:
    """Read one of pytest's reports."""
    for case in ET.parse(report).iter("testcase"):
        tiers = [p.get("value", "") for p in case.iter("property") if p.get("name") == "tier"]
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        yield Case(float(case.get("time", 0)), *tiers[:1] or ["none"], name)


def told(found: Sequence[Case], *, wall_s: float) -> Iterator[str]:
    """Return the lines that say where the time went."""
    yield f"The {SLOWEST} slowest tests, in seconds:"
    for case in sorted(found, reverse=True)[:SLOWEST]:
        yield f"{case.seconds:8.1f}  {case.name}"
    yield "Minutes of each tier, in two processes:"
    for tier in TIERS:
        of_tier = [case.seconds for case in found if case.tier == tier.name]
        if of_tier:
            yield f"{sum(of_tier) / 60:8.1f}  {tier.name} ({len(of_tier)} tests)"
    yield f"{wall_s / 60:8.1f}  all of it, by the clock"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="the heavy tests too")
    light = "" if parser.parse_args().all else " and not heavy"
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder, name) for name in ("side_by_side.xml", "alone.xml")]
        codes = [
            run(f"not faults{light}", *SIDE_BY_SIDE, report=reports[0]),
            run(f"faults{light}", report=reports[1]),
        ]
        found = [case for report in reports if report.exists() for case in cases(report)]
    print(*told(found, wall_s=time.monotonic() - began_s), sep="\n")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
