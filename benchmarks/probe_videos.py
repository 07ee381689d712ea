"""Row 3: finding out what many short videos are.

python benchmarks/probe_videos.py [--files 2000]
"""

import json
from pathlib import Path

from media import SHORT, warm
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
from side_by_side import Unequal, best, race

from shardmill.contract.schema import Facts
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part

CHUNKS = (1, 64)


def differences(facts: Facts, told: dict[str, float]) -> list[str]:
    """Return which answers differ; an MKV or WebM holds neither count nor length of a stream."""
    ours = {
        "codec": facts.codec,
        "width": facts.width,
        "height": facts.height,
        "frames": facts.frames_header or 0,
    }
    wrong = [name for name, value in ours.items() if value != told[name]]
    if abs((facts.fps or 0.0) - told["fps"]) > 1e-6:
        wrong.append("fps")
    if told["duration_s"] and abs((facts.duration_s or 0.0) - told["duration_s"]) > 1e-6:
        wrong.append("duration_s")
    return wrong


def check_answers(out: Path, root: Path, answers: Path) -> None:
    """Stop if any answer for any file differs."""
    rows = [row for part in Layout(str(out)).parts() for row in read_part(part)]
    ours = {str(root / row.item.path): row.facts for row in rows}
    for line in answers.read_text().splitlines():
        told = json.loads(line)
        if wrong := differences(ours[told["path"]], told):
            raise Unequal(f"{told['path']}: {wrong} differ: {ours[told['path']]} and {told}")


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=200, full=2000)
    distinct = min(files, bench.size(small=8, full=40))
    root = bench.cache.clips("mixed", *SHORT, distinct=distinct, count=files)
    warm(root)
    out = bench.work / "out"
    ours = shardmill("probe", root, "--out", OUT, "--json")
    run([str(out) if word == OUT else word for word in ours])
    answers = out.with_name("answers")
    run([*peer("probe_pyav", root), "--answers", str(answers)])
    check_answers(out, root, answers)
    raced = race(
        [
            command("shardmill probe", ours, out=out, expect={"ok": files, "inputs": files}),
            *(
                command(
                    f"PyAV's av.open, chunks of {chunk}",
                    peer("probe_pyav", root, "--chunk", chunk),
                    out=out,
                    expect={"files": files},
                )
                for chunk in CHUNKS
            ),
            starting(out.with_name("start")),
        ],
        rounds=bench.rounds,
        warm_up=False,
    )
    results, note = without_start(raced)
    work = f"probe {files:,} MP4, MKV and WebM files"
    return Record(
        name="probe_videos",
        title="Probing videos",
        text=f"{files:,} files of 3 to 5 s (H.264 in MP4 and MKV, VP9 in WebM; links to {distinct}"
        "), read once before. Codec, size, rate, and what MP4 says of frames and length, are equal "
        "for every file.",
        scale=bench.scale,
        tables=[Table("Time for each file", results, unit="ms", pieces=files, per="file")],
        aims=[Aim("3", work, "av.open in a process pool, the faster", 5, best(results).ratio)],
        notes=[note],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    given = options(mine, small=1, full=3)
    publish(measure(given), given, packages=["tqdm"])
