"""Rows 4 to 7: every frame of many clips at 160x120 as JPEG 95 in TFRecords, whole jobs.

python benchmarks/extract.py [--set ucf11 | kinetics | 720p]     all three if none is named

Each contender is a command, timed from its start to its end: starting Python, Redis and a worker,
or importing torch, is part of it.  Bare decoding is libavcodec alone, one thread in each of as many
processes.
"""

from dataclasses import dataclass, replace

from likeness import check_alike
from media import HD, KINETICS, UCF11, Clip, warm
from program import (
    OUT,
    STARTING,
    Bench,
    command,
    cores,
    options,
    parser,
    peer,
    publish,
    shardmill,
    starting,
    without_start,
)
from record import Aim, Record, Table
from side_by_side import Result, best, named, race


@dataclass(frozen=True, slots=True)
class Set:
    """Clips of one kind, and who is tried with them."""

    style: Clip
    title: str
    small: tuple[int, int, int]
    """Clips, how many of them are not links, and frames of each."""
    full: tuple[int, int, int]
    peers: dict[str, tuple[str, ...]]
    """Program to its ways, the usual first."""
    share: float
    """Aim of row 7."""


FOUR = {
    "opencv": ("usual", "one-thread", "area"),
    "decord": ("usual", "one-thread"),
    "torchcodec": ("usual", "approximate"),
    "ffmpeg": ("files", "pipe"),
}
TWO = {name: FOUR[name] for name in ("opencv", "ffmpeg")}
SETS = {
    "ucf11": Set(UCF11, "UCF11-like clips, 320x240 MPEG-2", (6, 4, 100), (240, 40, 200), TWO, 0.6),
    "kinetics": Set(
        KINETICS, "Kinetics-like clips, 340x256 H.264", (4, 2, 100), (100, 20, 300), FOUR, 0.6
    ),
    "720p": Set(HD, "720p H.264, GOPs of 12, 60 and 250", (2, 2, 60), (24, 12, 300), FOUR, 0.85),
}


def aims(name: str, results: list[Result]) -> list[Aim]:
    """Return what was aimed at with one set."""
    kind = SETS[name]
    work = f"extract {kind.title}"
    share = named(results, "bare").ratio
    limit = Aim("7", work, "libavcodec alone, same threads", kind.share, share)
    if name == "ucf11":
        usual, single = named(results, "opencv, usual"), named(results, "opencv, one")
        tool = best(results, "ffmpeg")
        return [
            Aim("4", work, "OpenCV as usually written", 1.9, usual.ratio),
            Aim("4b", work, "OpenCV, one decoding thread", 1.2, single.ratio),
            Aim("5", work, "the faster of two ways with ffmpeg", 3, tool.ratio),
            limit,
        ]
    fastest = best(results, *kind.peers)
    wanted = 1.4 if name == "kinetics" else 1.25
    return [Aim("6", work, f"the fastest of four: {fastest.name}", wanted, fastest.ratio), limit]


def measure(bench: Bench, name: str) -> Record:
    kind = SETS[name]
    clips, distinct, length = kind.small if bench.small else kind.full
    style = replace(kind.style, frames=length)
    root = bench.cache.clips(name, style, distinct=distinct, count=clips)
    warm(root)
    work, frames = bench.work, clips * length
    ours = shardmill("run", root, "--out", OUT, "--size", "160x120", "--json")
    expect = {"frames": frames}
    contenders = [command("shardmill run", ours, out=work / "ours", expect=expect)]
    for program, ways in kind.peers.items():
        for way in ways:
            words = peer(f"extract_{program}", root, OUT, "--way", way)
            out = work / f"{program}-{way}"
            contenders.append(command(f"{program}, {way}", words, out=out, expect=expect))
    bare = peer("decode_full", root, OUT, "--way", "bare")
    contenders.append(command("bare decoding", bare, out=work / "bare", expect=expect))
    raced = race([*contenders, starting(work / "start")], rounds=bench.rounds, warm_up=False)
    results, note = without_start(raced)
    whole_s = results[0].median
    own_s = max(whole_s / 10, whole_s - named(raced, STARTING).median)
    for folder in sorted(work.glob("*-*")):
        check_alike(work / "ours", folder, folder.name)
    return Record(
        name=f"extract_{name}",
        title=f"Extracting {kind.title}",
        text=f"{clips} clips (links to {distinct}) of {length} frames, every frame at "
        "160x120 as JPEG 95 in TFRecord, whole jobs. Numbers of clips and frames are equal, and "
        "frames look the same; the peers flush nothing to the disk, and OpenCV as "
        "usually written scales without looking at all samples.",
        scale=bench.scale,
        tables=[Table(f"{kind.title}: time for each frame", results, "µs", frames, "frame")],
        aims=aims(name, results),
        notes=[note],
        figures={
            "frames": frames,
            "clips": clips,
            "core_s_a_clip": cores() * own_s / clips,
        },
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--set", choices=list(SETS))
    given = options(mine, small=1, full=3)
    for chosen in [given.more["set"]] if given.more["set"] else SETS:
        packages = ["decord", "torch", "torchcodec"]
        publish(measure(given, chosen), given, packages=packages)
