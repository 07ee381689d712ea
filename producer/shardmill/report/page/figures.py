"""What the page's plots show: aggregates from SQL as the few values that a plot draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb

from shardmill.contract.quantity import format_bytes, format_count, format_duration
from shardmill.report import store
from shardmill.report.page.binning import Scale, scale_for

CELLS: Final = 2000
"""Size cells drawn; rarer ones are told in a note."""
VALUES: Final = 12
"""Bars of a figure of names."""
CLASSES: Final = 1000
"""Classes drawn; more are counted."""
CLASSES_NAMED: Final = 40
"""Classes up to which each bar carries its name."""
NAME: Final = 60
"""Characters of a name in a plot."""
TEXT: Final = 300
"""Characters of a name or a message elsewhere."""

NAMED_SIZES: Final = (
    *(("QVGA", 320, 240), ("VGA", 640, 480), ("720p", 1280, 720)),
    *(("1080p", 1920, 1080), ("4K", 3840, 2160), ("8K", 7680, 4320)),
)
NAMED_ASPECTS: Final = (
    *(("9:16", 9 / 16), ("3:4", 3 / 4), ("1:1", 1.0), ("4:3", 4 / 3), ("16:9", 16 / 9)),
    ("21:9", 21 / 9),
)

Kind = Literal["histogram", "bars", "sizes", "ranks", "timeline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One plot."""

    id: str
    """Its place on the page."""
    title: str
    kind: Kind
    """Which of the functions of ``page.js`` draws it."""
    x: str
    """What the horizontal axis measures."""
    data: Sequence[dict[str, Any]]
    """What is drawn, each with the ``tip`` that shows on hover."""
    y: str = ""
    """What the vertical axis measures, where that is not a number of files."""
    log: bool = False
    """True if the horizontal axis is logarithmic."""
    marks: Sequence[dict[str, Any]] = ()
    """Named places on the axes."""
    numbers: Sequence[tuple[str, str]] = ()
    """Key figures below the plot: name and value."""
    note: str = ""
    """A sentence below the plot."""


@dataclass(frozen=True, slots=True)
class _Measure:
    title: str
    x: str
    whole: bool = False
    marks: tuple[tuple[str, float], ...] = ()

    def text(self, value: float) -> str:
        """Write a value as people quote it."""
        if self.x == "bytes":
            return format_bytes(value)
        if self.x == "seconds":
            return brief(value)
        return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"

    def range(self, low: float, high: float) -> str:
        """Write ``[low, high)``; of whole numbers the first and the last."""
        if not self.whole:
            return f"{self.text(low)} to {self.text(high)}"
        first, last = math.ceil(low - 1e-9), math.ceil(high - 1e-9) - 1
        return f"{first:,}" if first >= last else f"{first:,} to {last:,}"


_MEASURES: Final = {
    "aspect": _Measure("Aspect", "width / height", marks=NAMED_ASPECTS),
    "duration": _Measure("Duration of a video", "seconds"),
    "clip_frames": _Measure("Frames a clip", "frames", whole=True),
    "frame_bytes": _Measure("Bytes a frame", "bytes"),
}


def of_files(con: duckdb.DuckDBPyConnection) -> list[Figure]:
    """Return the figures of files and clips, those without data left out.

    Args:
        con: Has the table ``files`` of ``rows.sql``.
    """
    store.ask(con, store.sql("page/measures"))
    found = {figure.id: figure for figure in (_sizes(con), *_histograms(con), *_names(con))}
    order = ("size", "aspect", "duration", "clip_frames", "frame_bytes", "fps", "codec", "pix_fmt")
    return [found[name] for name in order if name in found and found[name].data]


def of_classes(con: duckdb.DuckDBPyConnection) -> Figure | None:
    """Return how inputs are spread over classes; None without labels."""
    rows = store.ask(con, store.sql("page/classes"), most=CLASSES)
    if not rows:
        return None
    classes = rows[0]["classes"]
    named = classes <= CLASSES_NAMED
    data = [
        {
            "place": place,
            "name": cut(row["label"], NAME),
            "value": row["ok"],
            "tip": f"{cut(row['label'], NAME)}\n{row['ok']:,} ok, {row['failed']:,} failed\n"
            f"{row['frames']:,} frames",
        }
        for place, row in enumerate(rows)
    ]
    note = f"The {len(rows):,} largest of {classes:,} classes." if classes > len(rows) else ""
    largest, smallest = rows[0]["ok"], rows[-1]["ok"]
    numbers = [("classes", f"{classes:,}"), ("largest", f"{largest:,}")]
    if classes == len(rows):
        numbers.append(("smallest", f"{smallest:,}"))
    return Figure(
        id="classes",
        title="Inputs a class",
        kind="bars" if named else "ranks",
        x="inputs that are ok" if named else "classes, the largest first",
        y="" if named else "inputs that are ok",
        data=data,
        numbers=numbers,
        note=note,
    )


def of_steps(con: duckdb.DuckDBPyConnection) -> Figure | None:
    """Return where the time went; None if no row tells."""
    (steps,) = store.ask(con, store.sql("steps"))
    whole = sum(steps.values())
    if not whole:
        return None
    data = [
        {"name": step, "value": spent, "tip": f"{step}\n{brief(spent)}  {spent / whole:.1%}"}
        for step, spent in steps.items()
        if spent
    ]
    return Figure(
        id="steps",
        title="Where the time went",
        kind="bars",
        x="seconds of one core",
        data=data,
        numbers=[("in all", brief(whole))],
    )


def brief(seconds: float) -> str:
    """Write a duration, also one of less than a second."""
    return f"{seconds:.2g} s" if seconds < 1 else format_duration(seconds)


def cut(text: str, most: int = TEXT) -> str:
    """Return ``text`` with its middle left out where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def _sizes(con: duckdb.DuckDBPyConnection) -> Figure:
    cells = store.ask(con, store.sql("page/sizes"), most=CELLS)
    data = [
        {"x": cell["width"], "y": cell["height"], "value": cell["files"], "tip": _size_tip(cell)}
        for cell in cells
    ]
    marks = [{"x": width, "y": height, "text": name} for name, width, height in NAMED_SIZES]
    note = "The rarest sizes are left out." if len(cells) == CELLS else ""
    return Figure(
        id="size", title="Resolution", kind="sizes", x="width", data=data, marks=marks, note=note
    )


def _size_tip(cell: dict[str, Any]) -> str:
    most = "{width}x{height}".format(**cell["most"])
    if cell["sizes"] == 1:
        return f"{most}\n{format_count(cell['files'], 'file')}"
    around = f"about {cell['width']:.0f}x{cell['height']:.0f}"
    return (
        f"{around}\n{cell['files']:,} files in {cell['sizes']:,} sizes\n"
        f"{cell['most']['files']:,} are {most}"
    )


def _histograms(con: duckdb.DuckDBPyConnection) -> list[Figure]:
    spreads = {row["name"]: row for row in store.ask(con, store.sql("page/spreads"))}
    scales = {
        name: scale_for(name, row["min"], row["max"], whole=_MEASURES[name].whole)
        for name, row in spreads.items()
    }
    if not scales:
        return []
    rows = store.ask(con, store.sql("page/bins"), scales=[s.encode() for s in scales.values()])
    return [
        _histogram(scale, spreads[name], [row for row in rows if row["name"] == name])
        for name, scale in scales.items()
    ]


def _histogram(scale: Scale, spread: dict[str, Any], bins: list[dict[str, Any]]) -> Figure:
    measure = _MEASURES[scale.name]
    data = []
    for row in bins:
        low, high = scale.edges(row["bin"])
        share = f"{row['count']:,}  {row['count'] / spread['count']:.1%}"
        data.append(
            {
                "x1": low,
                "x2": high,
                "y": row["count"],
                "tip": f"{measure.range(low, high)}\n{share}",
            }
        )
    inside = [
        {"x": value, "text": name}
        for name, value in measure.marks
        if data[0]["x1"] <= value <= data[-1]["x2"]
    ]
    return Figure(
        id=scale.name,
        title=measure.title,
        kind="histogram",
        x=measure.x,
        log=scale.log,
        data=data,
        marks=inside,
        numbers=[
            (name, measure.text(spread[name])) for name in ("min", "mean", "median", "p95", "max")
        ],
    )


_NAMES: Final = {
    "fps": "Frames per second",
    "codec": "Codec",
    "pix_fmt": "Pixel format",
}


def _names(con: duckdb.DuckDBPyConnection) -> list[Figure]:
    rows = store.ask(con, store.sql("page/values"), most=VALUES)
    return [
        _bars(name, title, [row for row in rows if row["name"] == name])
        for name, title in _NAMES.items()
    ]


def _bars(name: str, title: str, rows: list[dict[str, Any]]) -> Figure:
    total = sum(row["files"] for row in rows)
    data = []
    for row in rows:
        text = f"{row['kinds']:,} others" if row["text"] is None else cut(row["text"], NAME)
        share = f"{row['files']:,}  {row['files'] / total:.1%}"
        data.append({"name": text, "value": row["files"], "tip": f"{text}\n{share}"})
    return Figure(id=name, title=title, kind="bars", x="files", data=data)
