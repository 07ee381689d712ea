"""Frames come at FFmpeg's times, and there are as many."""

from collections import defaultdict
from pathlib import Path

from correctness.comparison import Comparison, Difference
from correctness.frames import PIXELS, Sight, sights

NAME = "times"


def measure(corpus: Path) -> Comparison:
    """Compare the time of every frame, and which files are refused."""
    seen = sights(corpus)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for sight in seen:
        if sight.compared and sight.kind == "video":
            same = sum(a == b for a, b in zip(sight.ours_ns, sight.theirs_ns, strict=False))
            for k, value in enumerate((1, len(sight.theirs_ns), same)):
                totals[sight.codec][k] += value
    return Comparison(
        name=NAME,
        claim=(
            "Of every file that FFmpeg gives frames of, the engine gives as many, each at the same "
            "nanosecond: edit lists, B-frames, variable rates and late or negative starts "
            "included. Times are those that `ffmpeg -copyts -fps_mode passthrough` writes into "
            f"`framemd5`; of each video about the first {PIXELS // 10**6:,} million pixels are "
            "compared, which is all of it unless it is long and large. Of a picture only counts "
            "whether it is read: it has no time."
        ),
        header=("codec", "videos", "frames", "frames at the same time"),
        rows=[(codec, *(f"{n:,}" for n in totals[codec])) for codec in sorted(totals)],
        differences=[difference for sight in seen for difference in _differences(sight)],
    )


def _differences(sight: Sight) -> list[Difference]:
    if not sight.compared:
        theirs = "refused" if sight.theirs_refused else f"{len(sight.theirs_ns)} frames"
        ours = sight.ours_refused or f"{len(sight.ours_ns)} frames"
        return [Difference(sight.path, "refused", ours, theirs)]
    ours, theirs = sight.ours_ns, sight.theirs_ns
    if len(ours) != len(theirs):
        return [Difference(sight.path, "frames", f"{len(ours)}", f"{len(theirs)}")]
    if sight.kind == "image" or ours == theirs:
        return []
    first = next(k for k, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    return [Difference(sight.path, "times", f"{first}: {ours[first]}", f"{theirs[first]}")]
