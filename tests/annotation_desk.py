"""Writes annotation files, reads them and gives them to inputs: what every test of them does."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from shardmill.annotations.annotate import annotate
from shardmill.annotations.classes import Classes
from shardmill.annotations.columns import Mapper
from shardmill.annotations.presets import Preset
from shardmill.annotations.records import Faults, Place
from shardmill.annotations.sources import sources_of
from shardmill.contract.spec import Spec


@dataclass
class Annotation:
    """A row of what a file gave."""

    source: str
    labels: tuple[str, ...]
    start_ns: int | None
    end_ns: int | None
    split: str | None
    extra: dict[str, object]
    place: Place


@dataclass
class Found:
    """What a file gave."""

    annotations: list[Annotation]
    faults: Faults

    @property
    def sources(self) -> list[str]:
        return [annotation.source for annotation in self.annotations]

    @property
    def left_out(self) -> list[tuple[int, str]]:
        """Number and kind of each fault."""
        return [(fault.place.number, fault.kind) for fault in self.faults.kept]

    @property
    def reasons(self) -> str:
        return "\n".join(map(str, self.faults.kept))


def read(
    path: str, preset: Preset, faults: Faults, *, classes: Classes | None = None
) -> list[Annotation]:
    """The annotations of a file."""
    mapper = Mapper(path, preset, faults, classes=classes)
    return [
        Annotation(
            source=os.fsdecode(row["source"]),
            labels=tuple(row["labels"]),
            start_ns=row["start_ns"],
            end_ns=row["end_ns"],
            split=row["split"],
            extra=json.loads(row["extra"]),
            place=mapper.place(row["line"]),
        )
        for table in mapper.read()
        for row in table.to_pylist()
    ]


class Desk:
    """Writes and reads files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def read(
        self,
        name: str,
        content: str | bytes,
        preset: Preset | None = None,
        *,
        classes: Classes | None = None,
        strict: bool = False,
    ) -> Found:
        faults = Faults(strict=strict, keep=100_000)
        path = self.write(name, content)
        found = read(path, preset or Preset(), faults, classes=classes)
        assert faults.counts.total() == len(faults.kept)
        return Found(found, faults)


@dataclass
class Joined:
    """What became of inputs and annotations."""

    notes: list[str]
    rows: list[dict]
    """Table ``annotation``, by path and segment."""
    skipped: dict[str, str]
    """Path to reason."""
    skipped_rows: list[dict]
    """Table ``skipped``, by path."""
    classes: list[str]

    @property
    def pairs(self) -> list[tuple[str, tuple[str, ...]]]:
        """Path and labels of each annotation."""
        return [(row["path"], tuple(row["labels"])) for row in self.rows]


def joined(inputs: list[str], spec: Spec, *, sequences: tuple[str, ...] = ()) -> Joined:
    """Give the annotations of a job to its inputs."""
    paths = [os.fsencode(path) for path in (*inputs, *sequences)]
    pictures = [*(None for _ in inputs), *(5 for _ in sequences)]
    table = pa.table([paths, pictures], schema=pa.schema({"path": pa.binary(), "n": pa.int32()}))
    notes: list[str] = []
    with duckdb.connect() as db:
        db.execute("create table input (path blob not null, pictures integer)")
        db.register("given", table)
        db.execute("insert into input select * from given")
        annotate(db, sources_of(spec), spec, notes.append)
        tables = {row[0] for row in db.execute("select table_name from duckdb_tables()").fetchall()}
        assert tables == {"input", "annotation", "skipped", "class"}
        rows = _rows(db, "select * from annotation order by path, segment")
        skipped = _rows(db, "select * from skipped order by path")
        classes = [label for (label,) in db.execute("select label from class").fetchall()]
    reasons = {row["path"]: row["reason"] for row in skipped}
    assert len(reasons) == len(skipped), "one row a file"
    return Joined(notes, rows, reasons, skipped, classes)


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> list[dict]:
    rows = db.sql(query).to_arrow_table().to_pylist()
    return [row | {"path": os.fsdecode(row["path"])} for row in rows]
