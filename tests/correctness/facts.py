"""What probing says of a file is what ffprobe says, or Pillow where ffprobe is silent."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from correctness.comparison import Comparison, Difference, explanations
from correctness.probed import answers, table

Row = dict[str, str]
Said = dict[str, Any]

FOLDERS = ("clips/", "odd_video/", "images/")
TOLERANCE = 0.001
"""Relative, for rates and durations: ffprobe prints six decimals, some clocks have milliseconds."""
DECODED_PIXELS = 1_000_000_000
"""Of larger videos the packets are counted instead of the decoded frames."""
TURNS = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (90, True),
    6: (90, False),
    7: (270, True),
    8: (270, False),
}
"""Exif orientation (CIPA DC-008, table 3) to a clockwise turn and a mirroring after it."""


@dataclass(frozen=True)
class Column:
    """One value to compare; None stands for no answer."""

    theirs: Callable[[Row], Any]
    ours: Callable[[Said], Any]
    equal: Callable[[Any, Any], bool] = lambda ours, theirs: ours == theirs


def is_usable(row: Row) -> bool:
    """Return whether ffprobe decodes a frame that is no cover art."""
    return row["nb_frames_counted"] not in ("", "0") and "coverart-only" not in row["kinds"]


def close(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= max(TOLERANCE, TOLERANCE * abs(theirs))


def same_format(ours: str, theirs: str) -> bool:
    """Take ``image2``, by which ffprobe means a picture known by its name, for any picture."""
    return ours == theirs or (theirs == "image2" and ours.endswith("pipe"))


def average_rate(row: Row) -> float | None:
    rate = row["avg_frame_rate"]
    return float(Fraction(rate)) if rate not in ("", "0/0") else None


def durations(row: Row) -> list[float] | None:
    """Return the file's length, and the video's if ffprobe has counted its frames.

    The manifest has the length of the file, whose longest stream may be the sound.
    """
    if not row["duration"]:
        return None
    rate, frames = average_rate(row), row["nb_frames_header"] or row["nb_frames_counted"]
    alone = [int(frames) / rate] if rate and frames else []
    return [float(row["duration"]), *alone]


def orientation(row: Row) -> tuple[int, bool | None] | None:
    """Return turn and mirroring: ffprobe's turn of a video, Pillow's of a picture."""
    if not row["path"].startswith("images/"):
        return -int(float(row["rotation"] or 0)) % 360, None
    _, _, text = row["pillow"].partition("orientation=")
    return TURNS.get(int(text.split()[0]) if text[:1].isdigit() else 1) if text else None


def unevenness(row: Row) -> bool | None:
    """Return whether one step between frames is half as long again as another, and no rounding."""
    if not row["pts_delta_min"]:
        return None
    least, most = int(row["pts_delta_min"]), int(row["pts_delta_max"])
    return most > 1.5 * least and most - least > 1


def is_read(row: Row) -> bool:
    """Return whether ffprobe knows anything of the picture."""
    return row["width"] not in ("", "0")


def same_turn(ours: tuple[int, bool], theirs: tuple[int, bool | None]) -> bool:
    return ours[0] == theirs[0] and theirs[1] in (None, ours[1])


def of(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda values: values[name] or None


COLUMNS = {
    "container": Column(of("format"), of("container"), same_format),
    "codec": Column(of("codec"), of("codec")),
    "size": Column(
        lambda row: f"{row['width']}x{row['height']}" if is_read(row) else None,
        lambda said: f"{said['width']}x{said['height']}",
    ),
    "sample_aspect": Column(
        lambda row: (row["sar"].replace("0:1", "") or "1:1") if is_read(row) else None,
        of("sample_aspect"),
    ),
    "pix_fmt": Column(of("pix_fmt"), of("pix_fmt")),
    "color_transfer": Column(
        lambda row: (row["color_transfer"] or "none") if is_read(row) else None,
        lambda said: said["color_transfer"] or "none",
    ),
    "orientation": Column(
        orientation, lambda said: (said["rotation_deg"], said["mirrored"]), same_turn
    ),
    "frames_header": Column(
        lambda row: int(row["nb_frames_header"] or 0) or None, of("frames_header")
    ),
}
"""Columns of every file."""
MOVING = {
    "fps": Column(average_rate, of("fps"), close),
    "vfr": Column(unevenness, lambda said: said["vfr"]),
    "duration_s": Column(
        durations, of("duration_s"), lambda ours, theirs: any(close(ours, t) for t in theirs)
    ),
    "frames_counted": Column(
        lambda row: int(row["nb_frames_counted"] or 0) or None, of("frames_counted")
    ),
}
"""Columns of videos."""
MAY_BE_OPEN = {"vfr"}
"""Columns in which our null is an answer: only all packets would tell."""


def measure(corpus: Path) -> Comparison:
    """Compare every clip, odd video and image with what MANIFEST.tsv says of it."""
    rows = table(corpus, *FOLDERS)
    said = answers(corpus, rows, "probe")
    _count(corpus, rows, said)
    tally: Counter[tuple[str, str]] = Counter()
    differences: list[Difference] = []

    def compare(path: str, what: str, ours: Any, theirs: Any, *, equal: bool) -> None:
        tally[what, "compared"] += 1
        if not equal:
            differences.append(Difference(path, what, str(ours), str(theirs)))

    for path, row in rows.items():
        usable = "kind" in said[path]
        compare(path, "usable", said[path], row["ffprobe_error"], equal=usable == is_usable(row))
        if not usable:
            continue
        for what, column in (COLUMNS | (MOVING if said[path]["kind"] == "video" else {})).items():
            ours, theirs = column.ours(said[path]), column.theirs(row)
            if theirs is None or (ours is None and what in MAY_BE_OPEN):
                tally[what, "silent"] += 1
                continue
            agree = ours is not None and column.equal(ours, theirs)
            compare(path, what, ours, theirs, equal=agree)
    return _summed(tally, differences)


def _count(corpus: Path, rows: dict[str, Row], said: dict[str, Said]) -> None:
    """Fill in ``frames_counted`` of the videos."""
    videos = [path for path, facts in said.items() if facts.get("kind") == "video"]

    def is_large(path: str) -> bool:
        pixels = said[path]["width"] * said[path]["height"]
        return int(rows[path]["nb_frames_counted"] or 0) * pixels > DECODED_PIXELS

    frames = answers(corpus, [path for path in videos if not is_large(path)], "frames")
    packets = answers(corpus, [path for path in videos if is_large(path)], "packets")
    for path, answer in (frames | packets).items():
        said[path]["frames_counted"] = answer.get("said") or answer["message"]


def _summed(tally: Counter[tuple[str, str]], differences: list[Difference]) -> Comparison:
    known = explanations("facts")
    found = Counter(d.what for d in differences)
    explained = Counter(d.what for d in differences if d.key in known)
    return Comparison(
        name="facts",
        claim="What probing says of a file is what ffprobe 5.1 says (of a picture's orientation: "
        "Pillow). Rates and durations may differ by a thousandth.",
        header=("value", "files compared", "equal", "different, explained", "no answer"),
        rows=[
            (what, *map(str, (n, n - found[what], explained[what], tally[what, "silent"])))
            for what in ("usable", *COLUMNS, *MOVING)
            if (n := tally[what, "compared"])
        ],
        differences=differences,
    )
