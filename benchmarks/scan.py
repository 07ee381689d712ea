"""How fast inputs are enumerated, and what memory it takes, beside ``Path.rglob``.

python benchmarks/scan.py --files 1000000               a wide tree: a thousand folders
python benchmarks/scan.py --files 1000000 --folders 1   one folder of a million names
python benchmarks/scan.py --files 100000 --depth 100    folders in folders

Each way runs in a process of its own.  ``rglob`` only names files; with their sizes and times,
without which no work can be compared, it is ``rglob + stat``.  ``spool`` is our scan into SQLite.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shardmill.submission.scan import Filter, scan
from shardmill.submission.spool import Spool


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
    return sum(1 for _ in scan(root, Filter((), ()), print))


def by_spool(root: str) -> int:
    """Count them as a job enumerates and stores them."""
    with tempfile.TemporaryDirectory() as place:
        spool = Spool(f"{place}/spool", seed=0)
        spool.add(scan(root, Filter((), ()), print))
        count = spool.count()
        spool.close()
    return count


WAYS: dict[str, Callable[[str], int]] = {
    "rglob": by_rglob,
    "rglob + stat": by_rglob_and_stat,
    "scan": by_scan,
    "spool": by_spool,
}


def measured(way: str, root: str) -> Iterator[str]:
    """Yield seconds and megabytes of one way, as the process of its own tells them."""
    done = subprocess.run(
        [sys.executable, __file__, "--way", way, "--root", root],
        capture_output=True,
        text=True,
        check=True,
    )
    yield from done.stdout.split()


def main() -> None:
    """Make a tree, measure each way a few times, and print the best with its ratio to rglob."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--files", type=int, default=100_000)
    asked.add_argument("--folders", type=int, default=1000)
    asked.add_argument("--depth", type=int, default=1)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked.add_argument("--root", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.way:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began_s = time.perf_counter()
        count = WAYS[options.way](options.root)
        seconds = time.perf_counter() - began_s
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(count, f"{seconds:.4f}", f"{grown / 1024:.1f}")
        return
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, files=options.files, folders=options.folders, depth=options.depth)
        best = dict.fromkeys(WAYS, (float("inf"), 0.0))
        for _ in range(options.rounds):
            for way in WAYS:
                count, seconds, grown = measured(way, root)
                assert int(count) == options.files, way
                best[way] = min(best[way], (float(seconds), float(grown)))
    for way, (seconds, grown) in best.items():
        rate = options.files / seconds
        ratio = best["rglob"][0] / seconds
        print(f"{way:14}{rate:12,.0f} files/s{ratio:8.2f} x rglob{grown:8.1f} MB more")


if __name__ == "__main__":
    main()
