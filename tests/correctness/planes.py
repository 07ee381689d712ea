"""Decoded planes are FFmpeg's, bit by bit."""

from collections import defaultdict
from pathlib import Path

from correctness.comparison import Comparison, Difference
from correctness.frames import Sight, sights

NAME = "planes"


def measure(corpus: Path) -> Comparison:
    """Compare every decoded frame as it is stored, before rotation, scaling and colour."""
    seen = [sight for sight in sights(corpus) if sight.compared]
    by_codec: dict[str, list[Sight]] = defaultdict(list)
    for sight in seen:
        by_codec[sight.codec].append(sight)
    return Comparison(
        name=NAME,
        claim=(
            "Every decoded frame equals FFmpeg's bit by bit, in the format that the decoder gives, "
            "before rotation, scaling and colour. Compared by MD5 with "
            "`ffmpeg -noautorotate -f framemd5`."
        ),
        header=("codec", "files", "frames", "bit-exact frames", "largest difference"),
        rows=[_row(codec, by_codec[codec]) for codec in sorted(by_codec)],
        differences=[
            Difference(
                sight.path,
                "planes",
                f"{sight.exact} of {_frames(sight)} frames equal",
                f"up to {sight.planes_off} off",
            )
            for sight in seen
            if sight.exact != _frames(sight)
        ],
    )


def _frames(sight: Sight) -> int:
    return max(len(sight.ours_ns), len(sight.theirs_ns))


def _row(codec: str, seen: list[Sight]) -> tuple[str, ...]:
    frames, exact = sum(map(_frames, seen)), sum(sight.exact for sight in seen)
    off = max(sight.planes_off for sight in seen)
    return codec, f"{len(seen)}", f"{frames:,}", f"{exact:,}", f"{off}"
