"""How the files of a manifest are distributed: what ``probe`` prints."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from shardmill.contract.quantity import format_bytes, format_duration, printable
from shardmill.report import store


@dataclass(frozen=True, slots=True)
class Section:
    """One small table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Cells as text."""


def sections(out: str) -> list[Section]:
    """Return the tables worth showing of an output directory; none for an empty manifest.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    with closing(store.open_files(out)) as con:
        kinds = store.ask(con, store.sql("survey_kinds"))
        sizes = store.ask(con, store.sql("survey_sizes"))
        ranges = store.ask(con, store.sql("survey_ranges"))
    found = [
        Section(
            "what is there",
            ("kind", "codec", "files", "bytes"),
            tuple(
                (row["kind"], row["codec"], f"{row['files']:,}", format_bytes(row["bytes"]))
                for row in kinds
            ),
        ),
        Section(
            "resolution",
            ("size", "files", "share"),
            tuple((row["size"], f"{row['files']:,}", f"{row['share']:.1%}") for row in sizes),
        ),
        Section(
            "distributions",
            ("", "min", "mean", "median", "p95", "max"),
            tuple(_spread(row) for row in ranges if row["min"] is not None),
        ),
    ]
    return [section for section in found if section.rows]


def _spread(row: dict[str, Any]) -> tuple[str, ...]:
    def text(value: float) -> str:
        return format_duration(value) if row["name"] == "duration" else f"{value:,.5g}"

    numbers = (row["min"], row["mean"], row["median"], row["p95"], row["max"])
    return (printable(row["name"]), *(text(number) for number in numbers))
