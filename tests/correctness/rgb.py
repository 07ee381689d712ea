"""Colours at source size are FFmpeg's."""

from collections import defaultdict
from pathlib import Path

from correctness.comparison import Comparison, Difference
from correctness.frames import FIRST, RGB_LEVELS, STRIDE, Sight, sights

NAME = "rgb"


def measure(corpus: Path) -> Comparison:
    """Compare upright RGB of square pixels, value by value."""
    seen = [sight for sight in sights(corpus) if sight.compared]
    by_format: dict[str, list[Sight]] = defaultdict(list)
    for sight in seen:
        by_format[sight.pix_fmt].append(sight)
    return Comparison(
        name=NAME,
        claim=(
            "Raw RGB frames, turned upright and with square pixels, are within "
            f"{RGB_LEVELS} levels of FFmpeg's in every single value: the matrix and range of the "
            "tags, grey, palettes, alpha dropped, 8 to 16 bits. FFmpeg converts with "
            "`accurate_rnd+full_chroma_int+full_chroma_inp`; U and V are enlarged between two "
            "neighbours in a step of its own, at 16 bits, because on the direct way to RGB its "
            "scaler takes whole rows of U and V. Both place U and V in the middle of "
            "their pixels; for FFmpeg, which goes by the ratio of the planes' sizes, frames of odd "
            f"size are made even and cut again. The first {FIRST} frames and each {STRIDE}th are "
            "compared. The table "
            "gives the largest difference of the files that keep to this, and how many do not."
        ),
        header=(
            "pixel format",
            "files",
            "frames",
            "largest difference",
            f"files beyond {RGB_LEVELS} levels",
        ),
        rows=[_row(name, by_format[name]) for name in sorted(by_format)],
        differences=[
            Difference(
                sight.path,
                "rgb",
                f"up to {sight.rgb_off} levels off",
                f"{sight.rgb_beyond:.2%} of a frame's values beyond {RGB_LEVELS}",
            )
            for sight in seen
            if sight.rgb_off > RGB_LEVELS
        ],
    )


def _row(name: str, seen: list[Sight]) -> tuple[str, ...]:
    within = [sight.rgb_off for sight in seen if sight.rgb_off <= RGB_LEVELS]
    return (
        name,
        f"{len(seen)}",
        f"{sum(sight.looked_at for sight in seen):,}",
        f"{max(within, default='')}",
        f"{len(seen) - len(within) or ''}",
    )
