"""Row 13: from the command to the first finished file, and to the help.

python benchmarks/start.py
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from media import tiny_picture
from program import Bench, options, parser, publish, run, shardmill
from record import Record, Table, ceiling
from side_by_side import Contender, named, race

LOOK_S = 0.002


def await_part(out: Path) -> None:
    """Wait until a part of the manifest is there."""
    parts = out / "manifest"
    while not (parts.is_dir() and any(name.endswith(".parquet") for name in os.listdir(parts))):
        time.sleep(LOOK_S)


def measure(bench: Bench) -> Record:
    root, out = bench.work / "in", bench.cache.root / "work" / "start-out"
    root.mkdir()
    for number in range(2):
        tiny_picture(root / f"{number}.jpg")
    words = shardmill("run", root, "--out", out, "--json")
    running: list[subprocess.Popen[bytes]] = []

    def make_room() -> None:
        while running:
            running.pop().wait()
        shutil.rmtree(out, ignore_errors=True)

    def to_the_first(_: int) -> None:
        running.append(
            subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        await_part(out)

    results = race(
        [
            Contender("shardmill run, to the first file", to_the_first, before=make_room),
            Contender("shardmill run, to the end", lambda _: run(words), before=make_room),
            Contender("shardmill --help", lambda _: subprocess.run(
                shardmill("--help"), check=True, stdout=subprocess.DEVNULL), before=make_room),
            Contender("python -c pass", lambda _: subprocess.run(
                [words[0], "-c", "pass"], check=True)),
        ],
        rounds=bench.rounds,
    )  # fmt: skip
    make_room()
    first, told = named(results, "shardmill run, to the first"), named(results, "shardmill --help")
    return Record(
        name="start",
        title="Starting",
        text="Two small pictures, the embedded Redis and worker, all programs in the page cache.",
        scale=bench.scale,
        tables=[Table("Starting", results, per="command", compared=False)],
        aims=[
            ceiling("13", "start to first file done", 2, first.median, unit="s"),
            ceiling("13b", "shardmill --help", 0.25, told.median, unit="s"),
        ],
    )


if __name__ == "__main__":
    given = options(parser(__doc__), small=3, full=15)
    publish(measure(given), given)
