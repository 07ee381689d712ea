"""Smaller frames are those of FFmpeg's area scaler."""

from collections import defaultdict
from math import floor
from pathlib import Path

from correctness.comparison import Comparison, Difference
from correctness.frames import SCALED, SIZES, Sight, sights

NAME = "scaled"
RAW_DB = 38
JPEG_DB = 34
JPEG_OWN_DB = 1
"""So much less than JPEG's own loss may be told."""


def measure(corpus: Path) -> Comparison:
    """Compare frames that became smaller, raw and as JPEG."""
    seen = [sight for sight in sights(corpus) if sight.compared and sight.psnr_db]
    by_format: dict[str, list[Sight]] = defaultdict(list)
    for sight in seen:
        by_format[sight.pix_fmt].append(sight)
    return Comparison(
        name=NAME,
        claim=(
            f"Pictures shrunk to {' and '.join(SIZES)} are those of FFmpeg's `area` scaler at its "
            f"most accurate: the peak signal to noise ratio of a file's worst frame is {RAW_DB} dB "
            f"or more stored raw, and {JPEG_DB} dB or more as JPEG at quality 95; or, where "
            "libjpeg itself takes more than that from FFmpeg's own picture at that quality, no "
            f"more than {JPEG_OWN_DB} dB below it. A JPEG is compared with FFmpeg's picture with U "
            "and V as sparse as the JPEG's. Sides that need no shrinking stay as they are. The "
            "table gives the lowest of the files that keep to this, and how many do not."
        ),
        header=("pixel format", "files", "frames", *(f"{n}, dB" for n in SCALED), "files below"),
        rows=[_row(name, by_format[name]) for name in sorted(by_format)],
        differences=[difference for sight in seen for difference in _differences(sight)],
    )


def _differences(sight: Sight) -> list[Difference]:
    return [
        Difference(sight.path, name, f"{floor(db)} dB", f"{floor(_least_db(sight, name))} dB")
        for name, db in sight.psnr_db.items()
        if db < _least_db(sight, name)
    ]


def _least_db(sight: Sight, name: str) -> float:
    if name not in sight.jpeg_db:
        return RAW_DB
    return min(JPEG_DB, sight.jpeg_db[name] - JPEG_OWN_DB)


def _row(name: str, seen: list[Sight]) -> tuple[str, ...]:
    within = [sight.psnr_db for sight in seen if not _differences(sight)]
    lowest = [min((found[way] for found in within if way in found), default=None) for way in SCALED]
    return (
        name,
        f"{len(seen)}",
        f"{sum(sight.looked_at for sight in seen):,}",
        *("" if db is None else f"{floor(db)}" for db in lowest),
        f"{len(seen) - len(within) or ''}",
    )
