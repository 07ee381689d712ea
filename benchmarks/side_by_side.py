"""Ways to do the same work, timed in turns: what counts are ratios within one run.

Absolute times on a shared machine mean little.  So every contender does the same pieces of work,
one turn each a round, and the figure is the median over the rounds of its time divided by ours in
the same round.
"""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work."""

    name: str
    """What it is, with its settings."""
    do: Callable[[int], object]
    """Does the piece of work with this number."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a contender took, against the first."""

    name: str
    ms: float
    """Median time of a piece."""
    low_ms: float
    """Time of a piece in the best round."""
    high_ms: float
    """Time of a piece in the worst round."""
    ratio: float
    """Median over the rounds of its time by that of the first contender."""


def race(contenders: Sequence[Contender], *, rounds: int, pieces: int) -> list[Result]:
    """Let contenders take turns; the first is ours.

    Args:
        contenders: Who takes part.
        rounds: Turns of each.
        pieces: Pieces of work a turn, other ones each round.
    """
    taken: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(-1, rounds):
        for contender in contenders:
            began = time.perf_counter()
            for piece in range(pieces):
                contender.do((number + 1) * pieces + piece)
            if number >= 0:  # the round before warms up
                taken[contender.name].append((time.perf_counter() - began) / pieces)
    ours = taken[contenders[0].name]
    return [
        Result(
            name,
            1e3 * statistics.median(times),
            1e3 * min(times),
            1e3 * max(times),
            statistics.median(time / our for time, our in zip(times, ours, strict=True)),
        )
        for name, times in taken.items()
    ]


def show(title: str, results: Sequence[Result]) -> None:
    """Print results as a Markdown table."""
    print(f"\n### {title}\n\n| | median ms | min - max | times ours |\n|---|---|---|---|")
    for result in results:
        spread = f"{result.low_ms:.2f} - {result.high_ms:.2f}"
        print(f"| {result.name} | {result.ms:.2f} | {spread} | **{result.ratio:.2f}** |")


def machine(packages: Sequence[str]) -> str:
    """Return on what, and with which versions, this runs."""
    with Path("/proc/cpuinfo").open() as file:
        names = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    told = [f"{os.cpu_count()} x {', '.join(names)}", f"Python {platform.python_version()}"]
    for package in packages:
        try:
            told.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            told.append(f"no {package}")
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return "; ".join([*told, f"commit {commit}"])
