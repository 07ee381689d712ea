"""Row 3: finding out what many short videos are.

python benchmarks/probe_videos.py [--files 10000]
"""

import json
from collections.abc import Sequence
from pathlib import Path

from media import MODERN, PROBED, Clip, warm
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
from side_by_side import Result, Unequal, best, race

from shardmill.contract.schema import Facts
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part

CHUNKS = (1, 64)
SMALL = ("AVI", "MPEG-TS")
"""Containers that the small scale tries alone: one read by its header, one that libav opens."""


def differences(facts: Facts, told: dict[str, float]) -> list[str]:
    """Return which answers differ; some headers hold neither count, length nor rate of a stream."""
    ours = {
        "codec": facts.codec,
        "width": facts.width,
        "height": facts.height,
        "frames": facts.frames_header or 0,
    }
    wrong = [name for name, value in ours.items() if value != told[name]]
    if told["fps"] and abs((facts.fps or 0.0) - told["fps"]) > 1e-6:
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


def compete(
    bench: Bench, name: str, styles: Sequence[Clip], files: int, chunks: Sequence[int]
) -> tuple[list[Result], str]:
    """Let shardmill and the recipe probe so many files, and check that they say the same."""
    distinct = min(files, bench.size(small=1, full=10) * len(styles))
    root = bench.cache.clips(f"probed-{name}", *styles, distinct=distinct, count=files)
    warm(root)
    out = bench.work / "out"
    ours = shardmill("probe", root, "--out", OUT, "--json")
    run([str(out) if word == OUT else word for word in ours])
    answers = out.with_name("answers")
    run([*peer("probe_pyav", root), "--answers", str(answers)])
    check_answers(out, root, answers)
    raced = race(
        [
            command(f"shardmill probe, {name}", ours, out=out, expect={"ok": files}),
            *(
                command(
                    f"PyAV's av.open, {name}, chunks of {chunk}",
                    peer("probe_pyav", root, "--chunk", chunk),
                    out=out,
                    expect={"files": files},
                )
                for chunk in chunks
            ),
            starting(out.with_name("start")),
        ],
        rounds=bench.rounds,
        warm_up=False,
    )
    return without_start(raced)


def measure(bench: Bench) -> Record:
    files = bench.more["files"] or bench.size(small=220, full=10_000)
    few = min(files, bench.size(small=20, full=2000))
    modern = [style for kind in MODERN for style in PROBED[kind]]
    results, note = compete(bench, "mixed", modern, files, CHUNKS)
    work = f"probe {files:,} MP4, MKV and WebM files"
    peer_name = "av.open in a process pool"
    tables = [Table("Time for each file", results, unit="ms", pieces=files, per="file")]
    aims = [Aim("3", work, f"{peer_name}, the faster", 2.5, best(results).ratio)]
    for kind, styles in PROBED.items():
        if bench.small and kind not in SMALL:
            continue
        raced, _ = compete(bench, kind, styles, few, CHUNKS[-1:])
        tables.append(Table(kind, raced, unit="ms", pieces=few, per="file"))
        aims.append(Aim("3a", f"probe {few:,} {kind} files", peer_name, 1, best(raced).ratio))
    return Record(
        name="probe_videos",
        title="Probing videos",
        text=f"{files:,} files of 2 to 5 s (H.264, HEVC and AV1 in MP4, H.264 and HEVC in MKV, "
        "VP8, VP9 and AV1 in WebM, about half of them with sound), then "
        f"{few:,} of each container; links to a few, read once before. Codec, size, rate, and what "
        "a header says of frames and length, are equal for every file.",
        scale=bench.scale,
        tables=tables,
        aims=aims,
        notes=[note],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--files", type=int)
    given = options(mine, small=1, full=3)
    publish(measure(given), given, packages=["tqdm"])
