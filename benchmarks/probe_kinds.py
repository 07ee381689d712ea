"""Row 1k: finding out what pictures of every kind are, kind by kind.

python benchmarks/probe_kinds.py [--files 20000] [--kinds MPF TIFF]

A job over one kind is timed beside the published recipe, from start to exit.
"""

import re

from made_pictures import kinds, make
from media import warm
from program import OUT, Bench, command, options, parser, peer, publish, shardmill
from record import Aim, Record, Table
from side_by_side import Result, race

CUT_OFF = {"no end marker"}
"""Kinds of which every file is refused, for its end is missing."""


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=300, full=20_000)
    distinct = min(files, 200)
    chosen = bench.more["kinds"] or list(kinds())
    ours: list[Result] = []
    theirs: list[Result] = []
    for kind in chosen:
        name = re.sub(r"\W+", "-", kind)
        root = bench.cache.root / f"kind-{name}-{distinct}-{files}"
        if not root.exists():
            make(root, kind, count=files, distinct=distinct)
        warm(root)
        told = {"failed": files} if kind in CUT_OFF else {"ok": files}
        out = bench.work / "out"
        words = shardmill("probe", root, "--out", OUT, "--json", "--allow-failures")
        raced = race(
            [
                command(kind, words, out=out, expect=told),
                command(
                    f"{kind}, PyAV", peer("probe_pyav", root), out=out, expect={"files": files}
                ),
            ],
            rounds=bench.rounds,
            warm_up=False,
        )
        ours.append(raced[0])
        theirs.append(raced[1])
    return Record(
        name="probe_kinds",
        title="Probing pictures of every kind",
        text=f"{files:,} pictures of 320x240 of each kind (links to {distinct:,}), read before; "
        "time from the command's start to its end, beside a process pool + PyAV in chunks of 256.",
        scale=bench.scale,
        tables=[
            Table("shardmill probe", ours, "µs", files, "file", compared=False),
            Table("PyAV, chunks of 256", theirs, "µs", files, "file", compared=False),
        ],
        aims=[
            Aim(f"1k{chr(97 + place)}", f"probe {files:,}: {kind}", "the recipe", 1, result.ratio)
            for place, (kind, result) in enumerate(zip(chosen, theirs, strict=True))
        ],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    mine.add_argument("--kinds", nargs="+", choices=list(kinds()))
    given = options(mine, small=1, full=3)
    publish(measure(given), given, packages=["tqdm", "pillow"])
