"""Row 8: few frames of long videos: 16 spread evenly, and one a second.

python benchmarks/sparse.py

The videos have 10 seconds from one keyframe to the next.  Every frame that we keep is compared,
byte for byte, with the same frame of a job of ours that decodes everything.
"""

from dataclasses import replace
from pathlib import Path

from likeness import check_alike, check_identical
from media import HD, warm
from program import OUT, Bench, command, options, parser, peer, publish, run, shardmill
from record import Aim, Record, Table
from side_by_side import Result, best, named, race

GOP_S = 10
WISHES = {"16 frames": ("--count", "16"), "1 frame a second": ("--fps", "1")}
PEERS = {
    "decord": ("extract_decord", ("usual", "one-thread")),
    "torchcodec": ("extract_torchcodec", ("usual", "approximate")),
    "full decode, PyAV": ("decode_full", ("keep",)),
}
SIZE = ("--size", "160x120")


def tried(bench: Bench, root: Path, *, wish: tuple[str, ...], kept: int, title: str) -> Table:
    """Return what one wish takes; what was made is checked against a decode of everything."""
    work, videos = bench.work, len(list(root.iterdir()))
    expect = {"frames": videos * kept}
    ours = shardmill("run", root, "--out", OUT, *SIZE, *wish, "--json")
    contenders = [command("shardmill run", ours, out=work / "ours", expect=expect)]
    for name, (program, ways) in PEERS.items():
        for way in ways:
            words = peer(program, root, OUT, "--way", way, *wish)
            contenders.append(
                command(f"{name}, {way}", words, out=work / f"peer-{program}-{way}", expect=expect)
            )
    results = race(contenders, rounds=bench.rounds, warm_up=False)
    for folder in work.glob("peer-*"):
        check_alike(work / "ours", folder, folder.name)
    run(shardmill("run", root, "--out", work / "all", *SIZE, "--include", "long0*", "--json"))
    check_identical(work / "ours", work / "all", "long0")
    return Table(f"{title} of each video", results, per="job")


def measure(bench: Bench) -> Record:
    seconds = bench.size(small=40, full=300)
    links = bench.size(small=1, full=4)
    rate = HD.rate
    style = replace(HD, frames=seconds * rate, gops=(GOP_S * rate,))
    root = bench.cache.long_video("gop10", style, links=links)
    warm(root)
    counts = {"16 frames": 16, "1 frame a second": seconds}
    tables = [
        tried(bench, root, wish=wish, kept=counts[title], title=title)
        for title, wish in WISHES.items()
    ]
    aims = []
    for letter, (title, found) in zip("ab", zip(WISHES, tables, strict=True), strict=True):
        work = f"{title} of {seconds} s of 720p"
        full, fastest = named(found.results, "full"), peers_best(found.results)
        aims.append(Aim(f"8{letter}", work, "a full decode", 5, full.ratio))
        aims.append(Aim(f"8{letter}", work, f"the best peer: {fastest.name}", 1.5, fastest.ratio))
    return Record(
        name="sparse",
        title="Few frames of long videos",
        text=f"{links} videos (links to one) of {seconds} s, 720p H.264, {GOP_S} s from one "
        "keyframe to the next; frames at 160x120 as JPEG 95 in TFRecord, whole jobs. Ours are "
        "byte for byte those of a full decode; those of the peers look the same.",
        scale=bench.scale,
        tables=tables,
        aims=aims,
    )


def peers_best(results: list[Result]) -> Result:
    """Return the fastest of the peers."""
    return best(results, "decord", "torchcodec")


if __name__ == "__main__":
    given = options(parser(__doc__), small=1, full=3)
    publish(measure(given), given, packages=["decord", "torch", "torchcodec"])
