"""Row 12: does a file cost the same in a job of a thousand and of a million?

python benchmarks/scale.py [--files 1000,10000,100000,1000000]

Files are links to JPEGs of 16x16 pixels: what is measured is everything but the pictures.  The job
of one file, which is all starting and ending, is taken off.
"""

import json
import shutil
import statistics
import time
from pathlib import Path

from program import Bench, options, parser, publish, shardmill
from record import Aim, Record, Table, ceiling
from side_by_side import Result, Unequal

from processes import Usage, watched

FLAT = 1.15
TELLING = 10_000
"""Files below which the spread of starting is larger than what they cost."""
PRODUCER_MB, REDIS_MB = 150, 64
SMALL, FULL = "1000,10000", "1000,10000,100000,1000000"


TICK_S = 0.01
"""What the system tells of processor time."""


def probed(root: Path, out: Path, files: int) -> tuple[float, Usage]:
    """Return how long a probe job takes and what its processes use."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    usage = watched(shardmill("probe", root, "--out", out, "--json"))
    seconds = time.perf_counter() - began
    found = json.loads(usage.stdout)["ok"] if usage.returncode == 0 else None
    if found != files:
        raise Unequal(f"expected {files} files to be probed, got {found}")
    return seconds, usage


def growth(values: list[float]) -> float:
    """Return the largest of some values by the smallest; 0 if there are none, or noise alone."""
    return max(values) / min(values) if values and min(values) > 0 else 0.0


def measure(bench: Bench) -> Record:
    counts = [
        int(text) for text in (bench.more["files"] or (SMALL if bench.small else FULL)).split(",")
    ]
    out = bench.work / "out"
    roots = {count: bench.cache.tiny_pictures(count) for count in (1, *counts)}
    taken: dict[int, list[float]] = {count: [] for count in roots}
    used: dict[int, Usage] = {}
    for _ in range(bench.rounds):
        for count, root in roots.items():
            seconds, used[count] = probed(root, out, count)
            taken[count].append(seconds)
    batches = len(list((out / "manifest").iterdir()))
    start = statistics.median(taken.pop(1))
    per_file = {n: tuple((s - start) / n for s in all_s) for n, all_s in taken.items()}
    apart = [Result(f"{n:,} files", seconds) for n, seconds in per_file.items()]
    whole = [Result(f"{n:,} files", tuple(seconds)) for n, seconds in taken.items()]
    tables = [
        Table("Probing, starting and ending aside", apart, "µs", per="file", compared=False),
        Table("Whole jobs", whole, compared=False),
    ]
    large = [statistics.median(s) for n, s in per_file.items() if n >= TELLING]
    first, last = used[counts[0]], used[counts[-1]]
    peaks = {role: last.peak_mb[role] for role in ("producer", "redis", "workers")}
    spent = {role: max(TICK_S, last.cpu_s[role] - used[1].cpu_s[role]) for role in peaks}
    at = f" at {counts[-1]:,} files"
    return Record(
        name="scale",
        title="From a thousand files to a million",
        text=f"shardmill probe over {', '.join(f'{n:,}' for n in counts)} files (links to JPEGs of "
        f"16x16 pixels, one a folder of a thousand). A job of one file takes {start:.2f} s, which "
        "is taken off.",
        scale=bench.scale,
        tables=tables,
        aims=[
            Aim(
                "12",
                f"a file's cost from {TELLING:,} on, dearest by cheapest",
                "itself",
                FLAT,
                growth(large),
                at_least=False,
            ),
            ceiling("12b", f"producer's memory{at}", PRODUCER_MB, peaks["producer"], unit="MB"),
            ceiling("12c", f"Redis' memory{at}", REDIS_MB, peaks["redis"], unit="MB"),
        ],
        notes=[memory_note(counts, first, last)],
        figures={
            "start_s": start,
            "files": counts[-1],
            "batches": batches,
            "seconds": statistics.median(taken[counts[-1]]),
            **{f"{role}_us_a_file": 1e6 * cpu_s / counts[-1] for role, cpu_s in spent.items()},
            "redis_us_a_batch": 1e6 * spent["redis"] / batches,
            **{f"{role}_mb": peak for role, peak in peaks.items()},
        },
    )


def memory_note(counts: list[int], first: Usage, last: Usage) -> str:
    """Say how memory grows."""
    told = [
        f"{role} {first.peak_mb[role]:.0f} → {last.peak_mb[role]:.0f} MB"
        for role in ("producer", "redis", "workers")
    ]
    return (
        f"Most memory of the largest process, from {counts[0]:,} to {counts[-1]:,} files: "
        f"{', '.join(told)}."
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", help="numbers, with commas between")
    given = options(mine, small=1, full=3)
    publish(measure(given), given)
