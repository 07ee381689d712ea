"""The page that shows every comparison: its claim, its table, its differences and their reasons."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2

from correctness import facts, ffmpeg, planes, rgb, scaled, times, ways
from correctness.comparison import Comparison, explanations, plain, table

Measure = Callable[[Path], Comparison]
MEASURES: tuple[Measure, ...] = tuple(
    module.measure for module in (facts, times, planes, rgb, scaled, ways)
)
"""Every comparison there is, in the order of the page."""
PAGE = Path(__file__).parents[2] / "docs" / "correctness.md"
SWEEP = Path(__file__).with_name("sweep.md")
CUTS = Path(__file__).with_name("cuts.md")
"""What ``sweep.py`` and ``cuts.py`` measured last, which takes too long for each page."""
KINDS = Path(__file__).with_name("kinds.md")
"""The kinds of fault that were mended, with their tests."""

_HEAD = """\
# Correctness

What shardmill makes of real files, compared with other hands' answers on the same files, out of a
corpus of {files} videos and pictures by many makers. Every difference is named here with its
reason. A test fails for a difference without a reason, for a reason that is no longer needed, and
when this page is not what `make correctness` writes.

The engine is PyAV {pyav} with FFmpeg's libraries ({libraries}) and OpenCV {opencv}; the other hand
is the `ffmpeg` program {ffmpeg}, another version built by others.
"""


def written(corpus: Path, comparisons: Iterable[Comparison]) -> str:
    """Return the page."""
    parts = [_head(corpus), *(_section(comparison) for comparison in comparisons)]
    return "\n".join(
        [*parts, *(apart.read_text(encoding="utf-8") for apart in (SWEEP, CUTS, KINDS))]
    )


def _head(corpus: Path) -> str:
    files = len((corpus / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()) - 1
    wanted = ("libavformat", "libavcodec", "libswscale")
    libraries = (f"{name} {_two(av.library_versions[name])}" for name in wanted)
    return _HEAD.format(
        files=f"{files:,}",
        pyav=_two(av.__version__.split(".")),
        libraries=", ".join(libraries),
        opencv=_two(cv2.__version__.split(".")),
        ffmpeg=ffmpeg.version(),
    )


def _two(version: Iterable[object]) -> str:
    """Return a version's first two numbers: what lies behind them mends, and changes no frame."""
    return ".".join(f"{number}" for number in list(version)[:2])


def _section(comparison: Comparison) -> str:
    lines = [f"## {comparison.name.capitalize()}", "", comparison.claim, "", table(comparison)]
    reasons = explanations(comparison.name)
    by_reason: dict[str, set[str]] = defaultdict(set)
    for difference in comparison.differences:
        by_reason[reasons.get(difference.key, "Not explained.")].add(difference.path)
    if by_reason:
        count = len({difference.path for difference in comparison.differences})
        lines += ["", f"Differences, in {count} {'file' if count == 1 else 'files'}:", ""]
    for reason, paths in sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        names = ", ".join(f"`{plain(path)}`" for path in sorted(paths))
        lines.append(f"- **{len(paths)}**: {reason} {names}")
    return "\n".join([*lines, ""])
