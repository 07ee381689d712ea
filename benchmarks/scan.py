"""How fast inputs are enumerated, and what memory it takes, beside ``Path.rglob``.

python benchmarks/scan.py --files 1000000               a wide tree: a thousand folders
python benchmarks/scan.py --files 1000000 --folders 1   one folder of a million names
python benchmarks/scan.py --files 100000 --depth 100    folders in folders

Each way runs in a process of its own and tells its own seconds.  ``rglob`` only names files; with
their sizes and times, without which no work can be compared, it is ``rglob + stat``.  ``catalog``
is our scan into DuckDB.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from program import Bench, options, parser, publish, run
from record import Record, Table
from side_by_side import Unequal, results_of

from shardmill.catalog.catalog import Catalog
from shardmill.contract.options.labels import label_of
from shardmill.inputs.scan import Filter, one_by_one, scan


def make_tree(root: str, *, files: int, folders: int, depth: int) -> None:
    """Make empty ``.jpg`` files, shared out to folders, each of which lies so deep."""
    for folder in range(folders):
        place = os.path.join(root, *(f"{folder:05d}" for _ in range(depth)))
        os.makedirs(place)
        for number in range(folder, files, folders):
            os.close(os.open(f"{place}/{number:08d}.jpg", os.O_CREAT | os.O_WRONLY))


def by_rglob(root: str) -> int:
    """Count media files as is usually done."""
    return sum(1 for path in Path(root).rglob("*") if path.suffix == ".jpg")


def by_rglob_and_stat(root: str) -> int:
    """Count them with what ``scan`` tells of each."""
    return sum(path.stat().st_mtime_ns > 0 for path in Path(root).rglob("*.jpg"))


def by_scan(root: str) -> int:
    """Count them as a job enumerates them."""
    return sum(1 for _ in one_by_one(scan(root, Filter((), ()), print)))


def by_catalog(root: str) -> int:
    """Count them as a job enumerates and stores them."""
    with tempfile.TemporaryDirectory() as place:
        catalog = Catalog(place, label_of)
        catalog.add(scan(root, Filter((), ()), print))
        count = catalog.count()
        catalog.close()
    return count


WAYS: dict[str, Callable[[str], int]] = {
    "scan": by_scan,
    "catalog": by_catalog,
    "rglob": by_rglob,
    "rglob + stat": by_rglob_and_stat,
}


def answer(way: str, root: str) -> dict[str, float]:
    """Return how many files one way finds, its seconds, and the memory it takes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.perf_counter()
    count = WAYS[way](root)
    seconds = time.perf_counter() - began_s
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"files": count, "seconds": seconds, "mb": grown / 1024}


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=10_000, full=1_000_000)
    folders, depth = bench.more["folders"], bench.more["depth"]
    root = str(bench.work / "tree")
    make_tree(root, files=files, folders=folders, depth=depth)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    grown: dict[str, float] = {}
    for _ in range(bench.rounds):
        for way in WAYS:
            told = run([sys.executable, __file__, "--way", way, "--root", root])
            if told["files"] != files:
                raise Unequal(f"{way} finds {told['files']} of {files} files")
            taken[way].append(told["seconds"])
            grown[way] = told["mb"]
    memory = ", ".join(f"{way} {mb:.1f} MB" for way, mb in grown.items())
    return Record(
        name="scan",
        title="Enumerating inputs",
        text=f"{files:,} empty files in {folders:,} folders, {depth} deep; each way in a process "
        "of its own, whose start is not counted.",
        scale=bench.scale,
        tables=[Table("Enumerating", results_of(taken), "µs", files, "file")],
        notes=[f"Memory that it takes: {memory}."],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    mine.add_argument("--folders", type=int, default=1000)
    mine.add_argument("--depth", type=int, default=1)
    mine.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    mine.add_argument("--root", help=argparse.SUPPRESS)
    given = options(mine, small=1, full=3)
    if given.more["way"]:
        print(json.dumps(answer(given.more["way"], given.more["root"])))
    else:
        publish(measure(given), given)
