"""Row 1m: finding out what JPEGs are that no cache holds, and how much of them is read.

python benchmarks/probe_cold.py [--files 20000]

The page cache is dropped before each turn, which only root may do.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from program import OUT, Bench, command, options, parser, peer, publish, run, shardmill
from record import Aim, Record, Table
from side_by_side import Contender, race

from shardmill_worker.engine.formats import HEAD_BYTES, read_picture

DROP = Path("/proc/sys/vm/drop_caches")
MOST_BYTES = HEAD_BYTES + 64
"""The head of a file and its last bytes."""


def drop_caches() -> None:
    """Let the kernel forget every file.

    Raises:
        SystemExit: This process may not do that.
    """
    os.sync()
    try:
        DROP.write_text("3")
    except OSError as error:
        raise SystemExit(f"expected to write to {DROP} as root: {error.strerror}") from error


def make(folder: Path, sources: Path, count: int) -> None:
    """Copy pictures until there are so many: no two share their bytes on the disk."""
    found = sorted(sources.rglob("*.jpg"))
    for number in range(count):
        place = folder / f"n{number // 1000:03}" / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found[number % len(found)], place)


def read_heads(root: str) -> dict[str, int]:
    """Read the header of every picture in one process; return how many bytes were asked for."""
    asked = files = 0
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            head = os.pread(descriptor, HEAD_BYTES, 0)
            asked += len(head)

            def pread(length: int, offset: int, descriptor: int = descriptor) -> bytes:
                nonlocal asked
                data = os.pread(descriptor, length, offset)
                asked += len(data)
                return data

            assert read_picture(head, os.fstat(descriptor).st_size, pread) is not None
            os.close(descriptor)
            files += 1
    return {"files": files, "asked": asked}


def cold(contender: Contender) -> Contender:
    """Return a contender that finds nothing in a cache."""

    def before() -> None:
        contender.before()
        drop_caches()

    return Contender(contender.name, contender.do, contender.share, before)


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=300, full=20_000)
    root = bench.cache.root / f"cold-{files}"
    if not root.exists():
        make(root, bench.cache.photos(1000, distinct=min(files, 1000)), files)
    drop_caches()
    told = run([sys.executable, __file__, "--read", str(root)])
    out = bench.work / "out"
    words = shardmill("probe", root, "--out", OUT, "--json")
    recipe = command(
        "PyAV, chunks of 256", peer("probe_pyav", root), out=out, expect={"files": files}
    )
    raced = race(
        [cold(command("shardmill probe", words, out=out, expect={"ok": files})), cold(recipe)],
        rounds=bench.rounds,
        warm_up=False,
    )
    asked = told["asked"] / told["files"]
    return Record(
        name="probe_cold",
        title="Probing pictures that no cache holds",
        text=f"{files:,} JPEGs of ImageNet's sizes, each a file of its own; the page cache is "
        "dropped before each turn.",
        scale=bench.scale,
        tables=[Table("Time for each file", raced, unit="µs", pieces=files, per="file")],
        aims=[
            Aim("1m", f"probe {files:,} JPEGs, cold", "process pool + PyAV", 1, raced[1].ratio),
            Aim("1n", "bytes read of a JPEG", "-", MOST_BYTES, asked, at_least=False, unit="bytes"),
        ],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    mine.add_argument("--read", help=argparse.SUPPRESS)
    given = options(mine, small=1, full=3)
    if given.more["read"]:
        print(json.dumps(read_heads(given.more["read"])))
    else:
        publish(measure(given), given, packages=["tqdm"])
