"""What a benchmark found, as JSON: a table can be made again without measuring again.

One file a benchmark, ``results/<name>.json``, with the machine, the versions and the commit.
"""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from side_by_side import Result

HERE = Path(__file__).parent
RESULTS = HERE / "results"
WRITTEN = (
    ":!benchmarks/results",
    ":!benchmarks/plots",
    ":!benchmarks/README.md",
    ":!docs/scaling*",
)
"""What benchmarks write, in git's words for leaving it out."""
PACKAGES = ("av", "opencv-python-headless", "numpy", "pyarrow", "celery", "redis", "simplejpeg")


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at, and what was found."""

    row: str
    """Number of the comparison in the README's first table; a letter tells several apart."""
    work: str
    """What is compared."""
    against: str
    """With whom."""
    limit: float
    """The number aimed at."""
    found: float
    at_least: bool = True
    """Whether more is better."""
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the aim is reached."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def ceiling(row: str, work: str, limit: float, found: float, *, unit: str) -> Aim:
    """Return an aim that no peer takes part in: less is better."""
    return Aim(row, work, "-", limit, found, at_least=False, unit=unit)


@dataclass(frozen=True, slots=True)
class Table:
    """Contenders at one piece of work."""

    title: str
    results: list[Result]
    unit: str = "s"
    """``s``, ``ms`` or ``µs``: how times are printed."""
    pieces: int = 1
    """Files, frames or the like that a time stands for; times are printed for one of them."""
    per: str = "job"
    """What a printed time stands for."""
    compared: bool = True
    """Whether ratios mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that one benchmark found."""

    name: str
    title: str
    text: str
    """What was measured and how, with the sizes."""
    scale: str
    tables: list[Table]
    aims: list[Aim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    """Further numbers, for other programs."""
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""

    @property
    def full(self) -> bool:
        """Whether this was measured at full scale."""
        return self.scale == "full"


def save(record: Record, *, folder: Path, packages: Sequence[str] = ()) -> None:
    """Write a record, signed with machine, versions and commit."""
    signed = asdict(record) | {
        "machine": machine(),
        "versions": versions([*PACKAGES, *packages]),
        "commit": commit(),
    }
    for table in signed["tables"]:
        for line in table["results"]:
            seconds = line["seconds"]
            line |= {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}
            line["rounds"] = len(seconds)
    for aim, known in zip(signed["aims"], record.aims, strict=True):
        aim["met"] = known.met
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(signed, indent=1, ensure_ascii=False)
    (folder / f"{record.name}.json").write_text(text + "\n")


def load(path: Path) -> Record:
    """Read what ``save`` wrote."""
    values: dict[str, Any] = json.loads(path.read_text())
    tables = []
    for table in values["tables"]:
        lines = [Result(r["name"], tuple(r["seconds"]), r["ratio"]) for r in table["results"]]
        tables.append(Table(**table | {"results": lines}))
    aims = [Aim(**{k: v for k, v in aim.items() if k != "met"}) for aim in values["aims"]]
    return Record(**values | {"tables": tables, "aims": aims})


def load_all(folder: Path) -> dict[str, Record]:
    """Return every record of a folder by its name."""
    return {path.stem: load(path) for path in sorted(folder.glob("*.json"))}


def machine() -> str:
    """Return what this runs on."""
    with Path("/proc/cpuinfo").open() as file:
        names = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    cores = len(os.sched_getaffinity(0))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    kind = ", ".join(sorted(names)) or platform.machine()
    return f"{cores} cores of {kind}, {memory_gb:.0f} GB, {platform.system()} {platform.release()}"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python, of packages and of the programs that take part."""
    found = {"Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    for program, word in (("ffmpeg", "-version"), ("redis-server", "--version")):
        try:
            told = subprocess.run([program, word], capture_output=True, text=True).stdout
        except FileNotFoundError:
            told = ""
        match = re.search(r"(?:version |v=)(\S+)", told)
        found[program] = match[1] if match else "absent"
    return found


def commit() -> str:
    """Return the commit that runs, ``-dirty`` if any file but those written here differs."""
    git = ["git", "-C", str(HERE.parent)]
    known = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    differs = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ".", *WRITTEN])
    return (known.stdout.strip() or "unknown") + ("-dirty" if differs.returncode else "")
