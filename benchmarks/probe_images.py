"""Rows 1 and 2: finding out what many JPEGs are, from the command to the summary.

python benchmarks/probe_images.py [--files 100000]

Ours goes through Redis and Celery, and writes a manifest; the peers keep what they find in memory.
"""

import json
from pathlib import Path

from media import warm
from program import (
    OUT,
    Bench,
    command,
    options,
    parser,
    peer,
    publish,
    run,
    shardmill,
    starting,
    without_start,
)
from record import Aim, Record, Table
from side_by_side import Unequal, best, named, race

from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part

PUBLISHED_FILES_PER_S = 28_092
"""What the recipe's author reports, on 20 cores."""


def check_answers(out: Path, root: Path, answers: Path) -> None:
    """Stop if a peer's codec or size of any file differs from ours."""
    ours = {
        str(root / row.item.path): (row.facts.codec, row.facts.width, row.facts.height)
        for part in Layout(str(out)).parts()
        for row in read_part(part)
    }
    for line in answers.read_text().splitlines():
        told = json.loads(line)
        codec = told.get("codec") or told["codec_name"]
        if ours[told["path"]] != (codec, told["width"], told["height"]):
            raise Unequal(f"{told['path']}: we say {ours[told['path']]}, {answers.stem} {told}")


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=4000, full=100_000)
    sample = min(files, bench.size(small=60, full=2000))
    root = bench.cache.photos(files, distinct=min(files, bench.size(small=64, full=1000)))
    warm(root)
    out = bench.work / "out"
    ours = shardmill("probe", root, "--out", OUT, "--json")
    pyav, ffprobe = peer("probe_pyav", root), peer("probe_ffprobe", root, "--most", sample)
    run([str(out) if word == OUT else word for word in ours])
    for name, words in (("pyav", pyav), ("quick", [*pyav, "--quick"]), ("ffprobe", ffprobe)):
        answers = out.with_name(name)
        run([*words, "--answers", str(answers)])
        check_answers(out, root, answers)
    all_files, few = {"files": files}, {"files": sample}
    raced = race(
        [
            command("shardmill probe", ours, out=out, expect={"ok": files, "inputs": files}),
            command("PyAV, chunks of 256", pyav, out=out, expect=all_files),
            command("PyAV, told to look at little", [*pyav, "--quick"], out=out, expect=all_files),
            command("ffprobe", ffprobe, out=out, expect=few, share=sample / files),
            starting(out.with_name("start")),
        ],
        rounds=bench.rounds,
        warm_up=False,
    )
    results, note = without_start(raced)
    rate = files / results[0].median
    work = f"probe {files:,} JPEGs"
    usual, fastest = named(results, "PyAV, chunks"), best(results, "PyAV")
    return Record(
        name="probe_images",
        title="Probing pictures",
        text=f"{files:,} JPEGs of ImageNet's sizes (links to fewer, so that all fit in the page "
        "cache), read once before; time from the command's start to its end. All contenders give "
        f"the same codec and size for every file. ffprobe is given {sample:,} of them, its time "
        "counts as that of all.",
        scale=bench.scale,
        tables=[Table("Time for each file", results, unit="µs", pieces=files, per="file")],
        aims=[
            Aim("1", work, "process pool + PyAV, as published", 8, usual.ratio),
            Aim("1b", work, "the same, its best settings", 8, fastest.ratio),
            Aim(
                "1c",
                work,
                "its published rate on 20 cores",
                PUBLISHED_FILES_PER_S,
                rate,
                unit="files/s",
            ),
            Aim("2", work, "ffprobe in a process pool", 200, named(results, "ffprobe").ratio),
        ],
        notes=[note],
        figures={"files": files, "seconds": results[0].median},
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    given = options(mine, small=1, full=3)
    publish(measure(given), given, packages=["tqdm"])
