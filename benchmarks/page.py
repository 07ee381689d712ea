"""``benchmarks/README.md`` and its plots, from what the benchmarks wrote: nothing is measured here.

python benchmarks/page.py
"""

import re
from pathlib import Path

from record import HERE, RESULTS, Aim, Record, Table, load_all

PAGE = HERE / "README.md"
PLOTS = HERE / "plots"
LIMITS = HERE / "limits.md"
"""What keeps aims from being met and what was tried, under headings of their rows."""
FACTOR = {"s": 1.0, "ms": 1e3, "µs": 1e6}
ORDER = (
    *(
        "probe_images",
        "probe_kinds",
        "probe_cold",
        "probe_videos",
        "extract_ucf11",
        "extract_kinetics",
        "extract_720p",
    ),
    *("sparse", "windows", "opening", "slots", "long_video", "scan", "scale", "start", "ledger"),
)
AIMS_HEAD = "| row | work | against | aim | found | |\n|---|---|---|---|---|---|"
INK, OURS, THEIRS, GRID = "#24292f", "#0969da", "#c4cad1", "#e6e9ec"
HEAD = """# Benchmarks

<!-- Written by benchmarks/page.py from benchmarks/results/*.json. -->

shardmill beside what people would use instead, all in one run: contenders take turns, and a ratio
is the median over the rounds of a contender's time divided by ours in the same round. Absolute
times on a shared machine mean little. Whole jobs are timed as commands, from start to exit. A
comparison whose sides did not do the same work stops with an error.

```console
$ make bench                                         # everything: one to two hours on two cores
$ make bench SCALE=small                             # does it run? About 3 minutes
$ .venv-bench/bin/python benchmarks/probe_images.py  # one of them; --help tells its options
$ .venv-bench/bin/python benchmarks/page.py          # this page again, from what was measured
```

The peers come from the package index and the system (`ffmpeg`). Each is a program in
[peers/](peers), written as its users write it, and runs with its usual settings and with its best.
Media are made by ffmpeg: zooms into the Mandelbrot set, blended with moving test patterns and a
little noise ([media.py](media.py)); the first run takes longer by that. video2tfrecord (1.1) takes
no part: it needs TensorFlow 1, which no supported Python has. torchcodec is 0.12, the last whose
file in the index runs without CUDA.
"""


def number(value: float) -> str:
    """Return three significant digits, with thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def quantity(value: float, unit: str) -> str:
    """Return a number with its unit."""
    return f"{number(value)}{'' if unit == 'x' else ' '}{unit}"


def table(found: Table) -> str:
    """Return a Markdown table."""
    scale = FACTOR[found.unit] / found.pieces
    head = f"| {found.title} | median {found.unit} a {found.per} | min - max | rounds |"
    rule = "|---|---:|---:|---:|"
    if found.compared:
        head, rule = f"{head} times ours |", f"{rule}---:|"
    lines = [head, rule]
    for result in found.results:
        low, high = (number(scale * f(result.seconds)) for f in (min, max))
        line = f"| {result.name} | {number(scale * result.median)} | {low} - {high} "
        line += f"| {len(result.seconds)} |"
        lines.append(f"{line} **{result.ratio:.2f}** |" if found.compared else line)
    return "\n".join(lines)


def aim_line(aim: Aim, *, full: bool) -> str:
    """Return an aim as a row of a table; it is judged by what full scale gave."""
    sign = "≥" if aim.at_least else "≤"
    verdict = ("met" if aim.met else "**not met**") if full else "not judged"
    limit, found = quantity(aim.limit, aim.unit), quantity(aim.found, aim.unit)
    return f"| {aim.row} | {aim.work} | {aim.against} | {sign} {limit} | {found} | {verdict} |"


def section(record: Record) -> str:
    """Return what one benchmark found, as Markdown."""
    parts = [f"## {record.title}", record.text]
    parts += [table(found) for found in record.tables]
    if record.aims:
        parts.append(
            "\n".join([AIMS_HEAD, *(aim_line(aim, full=record.full) for aim in record.aims)])
        )
    if record.notes:
        parts.append("\n".join(f"- {note}" for note in record.notes))
    if not record.full:
        parts.append("*Measured at small scale: this shows that it runs, not how fast it is.*")
    return "\n\n".join(parts)


def page(records: dict[str, Record]) -> str:
    """Return the README."""
    known = [records[name] for name in ORDER if name in records]
    aims = sorted(((a, r.full) for r in known for a in r.aims), key=lambda aim: _place(aim[0]))
    overview = "\n".join([AIMS_HEAD, *(aim_line(aim, full=full) for aim, full in aims)])
    small = [record.name for record in known if not record.full]
    warning = (
        f"Measured at small scale only, which says little: {', '.join(small)}." if small else ""
    )
    missed = {aim.row for aim, full in aims if full and not aim.met}
    parts = [HEAD.strip(), "## Aims", warning, overview, *_limits(missed)]
    for record in known:
        parts.append(section(record))
        parts += [f"![{found.title}](plots/{_file(record, found)})" for found in _plotted(record)]
    return "\n\n".join([*filter(None, parts), _signature(known)]) + "\n"


def _limits(missed: set[str]) -> list[str]:
    """Return what is known of the aims that are missed."""
    known = re.findall(r"(?ms)^## (.+?)\n\n(.+?)\s*(?=^## |\Z)", LIMITS.read_text())
    told = [
        f"- **{rows}**: {' '.join(text.split())}"
        for rows, text in known
        if missed & set(rows.split(", "))
    ]
    heading = "### What keeps an aim from being met, and what was tried"
    return [heading, "\n".join(told)] if told else []


def _place(aim: Aim) -> tuple[int, str]:
    match = re.match(r"(\d+)(.*)", aim.row)
    return (int(match[1]), match[2]) if match else (99, aim.row)


def _signature(records: list[Record]) -> str:
    """Say once on what was measured where all records agree, else for each."""
    lines: dict[str, list[str]] = {}
    for record in records:
        told = "; ".join(f"{name} {version}" for name, version in record.versions.items())
        line = f"{record.machine}; commit {record.commit}; {told}"
        lines.setdefault(line, []).append(record.name)
    told = [f"- {', '.join(names)}: {line}" for line, names in lines.items()]
    return "\n".join(["## Machine and versions", "", *told])


def _plotted(record: Record) -> list[Table]:
    return [found for found in record.tables if found.compared and len(found.results) > 1]


def _file(record: Record, found: Table) -> str:
    return f"{record.name}-{record.tables.index(found)}.svg"


def plot(found: Table, path: Path) -> None:
    """Draw each contender's time as a multiple of ours."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    settings = {"svg.hashsalt": "shardmill", "svg.fonttype": "none", "font.size": 10}
    with mpl.rc_context(settings | {"font.family": "sans-serif", "text.color": INK}):
        names = [result.name for result in found.results]
        ratios = [result.ratio for result in found.results]
        figure, axes = plt.subplots(figsize=(8, 0.7 + 0.34 * len(names)), layout="constrained")
        bars = axes.barh(names, ratios, color=[OURS] + [THEIRS] * (len(names) - 1), height=0.7)
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=4, color=INK)
        axes.set_title(f"{found.title}: times ours", loc="left", fontsize=10.5)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
        axes.tick_params(length=0, colors=INK)
        axes.set_xticks([])
        axes.axvline(1, color=GRID, linewidth=1, zorder=0)
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)


def write(results: Path = RESULTS) -> None:
    """Write the README and its plots."""
    records = load_all(results)
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for record in records.values():
        for found in _plotted(record):
            plot(found, PLOTS / _file(record, found))
    PAGE.write_text(page(records))


if __name__ == "__main__":
    write()
