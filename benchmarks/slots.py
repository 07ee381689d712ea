"""Rows 10 and 11: what a second slot brings, beside what a second plain process brings.

python benchmarks/slots.py [--what clips | long]     both if none is named

Two processes of one engine on this machine are the limit: caches, memory and turbo are shared.
"""

import statistics
from dataclasses import replace
from pathlib import Path

from media import H264, KINETICS, Clip, warm
from program import OUT, Bench, command, options, parser, peer, publish, shardmill
from record import Aim, Record, Table
from side_by_side import Result, race

TWO_HOURS_S = 7200
LONG = Clip("320x180", 24, 24 * TWO_HOURS_S, "mp4", H264, (240,))
BUSY = 1.3
"""Two bare processes that bring less than this had no second core."""
TITLES = {"clips": "One slot and two", "long": "One long video on two slots"}


def gains(results: list[Result]) -> tuple[float, float]:
    """Return what the second of ours and of the bare processes brings, medians over the rounds."""
    two, one, bare_two, bare_one = (result.seconds for result in results)
    ours = statistics.median(a / b for a, b in zip(one, two, strict=True))
    bare = statistics.median(a / b for a, b in zip(bare_one, bare_two, strict=True))
    return ours, bare


def material(bench: Bench, what: str) -> tuple[Path, dict[str, int], str]:
    """Return the input, what must come out, and words for both."""
    if what == "clips":
        clips, distinct = bench.size(small=6, full=120), bench.size(small=3, full=20)
        root = bench.cache.clips("kinetics", KINETICS, distinct=distinct, count=clips)
        frames = clips * KINETICS.frames
        return root, {"frames": frames}, f"{clips} Kinetics-like clips (links to {distinct})"
    seconds = bench.size(small=120, full=TWO_HOURS_S)
    style = replace(LONG, frames=LONG.rate * seconds)
    told = f"one video of {seconds / 60:g} minutes, {LONG.size} H.264"
    return bench.cache.long_video("long", style), {"frames": style.frames}, told


def measure(bench: Bench, what: str) -> Record:
    root, expect, told = material(bench, what)
    warm(root)
    out = bench.work / "out"
    run = ("run", root, "--out", OUT, "--size", "160x120", "--json")
    ways = {f"shardmill, {n} slots": shardmill(*run, "--jobs", n) for n in (2, 1)}
    for n in (2, 1):
        ways[f"the engine alone, {n} processes"] = peer("engine_bare", root, OUT, "--processes", n)
    results = race(
        [command(name, words, out=out, expect=expect) for name, words in ways.items()],
        rounds=bench.rounds,
        warm_up=False,
    )
    ours, bare = gains(results)
    row, limit = ("10", 0.95) if what == "clips" else ("11", 0.9)
    aims = [
        Aim(row, f"{told}: one slot → two", "the gain of two bare processes", limit, ours / bare)
    ]
    return Record(
        name="slots" if what == "clips" else "long_video",
        title=TITLES[what],
        text=f"{told[0].upper()}{told[1:]}, every frame at 160x120, whole jobs. The engine alone "
        "is the same code without queue, ledger and watched decoders; equal numbers of frames.",
        scale=bench.scale,
        tables=[Table(TITLES[what], results)],
        aims=aims,
        notes=[
            f"A second slot makes ours {ours:.2f} times as fast, a second process {bare:.2f}."
            + ("" if bare > BUSY else " The second core was busy with other work: void.")
        ],
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--what", choices=list(TITLES))
    given = options(mine, small=1, full=3)
    for chosen in [given.more["what"]] if given.more["what"] else TITLES:
        publish(measure(given, chosen), given)
