"""``OUT/report.html``: gathered from the manifest and the index, rendered, put in place whole.

The page needs no network and asks for none: styles, scripts, data and pictures are in it, and its
content security policy lets nothing else in, nor any script but the three of this package.
Whatever comes from outside (names, labels, messages) goes through Jinja's escaping or into a
block of JSON in which no tag can begin.
"""

import base64
import hashlib
import json
import os
import re
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final
from uuid import uuid4

import duckdb
import jinja2
from markupsafe import Markup, escape

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.contract.quantity import format_bytes, printable
from shardmill.contract.spec import Spec
from shardmill.dataset.checksum import OPEN, sealed
from shardmill.dataset.job import Job, Status
from shardmill.dataset.layout import Layout
from shardmill.report import failures, store
from shardmill.report.page import figures, told
from shardmill.report.page.figures import brief, cut
from shardmill.report.page.sheet import Sheet, contact_sheet
from shardmill.report.page.timeline import timeline
from shardmill.storage import files
from shardmill.storage.files import read_json

EXAMPLES: Final = 5
ROWS: Final = 10
"""Lines of the tables of workers and of slow files."""
_SCRIPTS: Final = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "page.js")

ODD: Final = {
    "vfr": "Variable frame rate",
    "turned": "Rotated or mirrored",
    "hdr": "HDR (PQ or HLG): frames are kept as they are",
    "anamorphic": "Pixels that are not square",
    "resized": "Size that changes on the way: later frames are fitted to the first",
    "pages": "Several still pictures: the first is taken",
    "streams": "Several video streams: FFmpeg's default is used",
    "header": "Header that lies about the number of frames",
    "partial": "Damaged: only the frames before the damage are kept",
    "name": "Names that are no UTF-8",
}
"""Kind of odd file to what it is called; the names are those of ``odd.sql``."""


@dataclass(frozen=True, slots=True)
class _FromIndex:
    """What only the index and the shards tell."""

    sheet: Sheet
    duplicates: list[dict[str, Any]]
    damage: str = ""
    """Why they could not be asked; empty if they could."""


def write(out: str, status: Status) -> str:
    """Write the report of an output directory, as far as the job is; return its path.

    Args:
        out: Output directory.
        status: Of its job.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: ``job.json`` or the manifest cannot be read.
        EnvironmentFault: The disk is full or may not be written.
    """
    job = store.job_of(out)
    with closing(store.open_files(out, kept="kept_rows")) as con:
        write_from(con, job, status)
    return Layout(out).report


def write_from(con: duckdb.DuckDBPyConnection, job: Job, status: Status) -> None:
    """Write the report of a job from the tables of a connection that is open.

    Args:
        con: From ``store.open_files``, with ``kept_rows``.
        job: The job.
        status: How far it is.

    Raises:
        DatasetDamaged: The manifest cannot be read.
        EnvironmentFault: The disk is full or may not be written.
    """
    layout = Layout(job.out)
    text = _render(_content(con, job, status))
    partial = os.path.join(layout.tmp, f"report-{uuid4().hex}.html")
    try:
        files.make_directory(layout.tmp)  # of OUT that is gone nothing is made anew
        files.write(partial, sealed(text.encode("utf-8", "backslashreplace")))
        files.replace(partial, layout.report)
        files.sync_directory(layout.out)
    except OSError as error:
        raise EnvironmentFault(f"expected to write {layout.report}, but: {error}") from error
    finally:
        files.remove(partial)


def _content(con: duckdb.DuckDBPyConnection, job: Job, status: Status) -> dict[str, Any]:
    """Return the variables of ``page.html``."""
    layout, out = Layout(job.out), job.out
    (shards,) = store.ask(con, "select count(distinct shard) as number from parts")
    of_classes = figures.of_classes(con)
    classes = store.ask(con, "select count(distinct label) as number from files")[0]["number"]
    every_frame = job.spec.selection == Spec().selection
    return {
        "job": job,
        "status": status,
        "sentence": told.sentence(job, status, shards=shards["number"]),
        "tiles": told.tiles(job, status, shards=shards["number"]),
        "failures": failures.groups_of(con, out),
        "figures": figures.of_files(con),
        "classes": of_classes,
        "splits": store.ask(con, store.sql("page/splits")),
        "index": _from_index(con, layout, classes),
        "odd": store.ask(con, store.sql("page/odd"), examples=EXAMPLES, every_frame=every_frame),
        "timeline": timeline(con, layout, job),
        "steps": figures.of_steps(con),
        "workers": store.ask(con, store.sql("page/workers"), most=ROWS),
        "slowest": store.ask(con, store.sql("page/slowest"), most=ROWS),
        "command": printable(job.command("run")),
        "spec": json.dumps(job.spec.encode(), indent=1),
        "versions": told.versions(),
        "begun_by": str(read_json(layout.job).get("shardmill")),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _from_index(con: duckdb.DuckDBPyConnection, layout: Layout, classes: int) -> _FromIndex:
    """Return what the index tells; a damaged one must not keep the rest from being told."""
    shards = store.ask(con, "select distinct shard from parts where shard is not null")
    sheet = contact_sheet(con, layout, classes=classes)
    clip_index = store.add_clips(con, [layout.index_of(row["shard"]) for row in shards])
    try:
        duplicates = store.ask(con, store.sql("page/duplicates"), examples=EXAMPLES)
    except DatasetDamaged as error:
        return _FromIndex(sheet, [], str(clip_index.fault or error))
    return _FromIndex(sheet, duplicates)


def _render(content: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bytes": format_bytes,
        "cut": cut,
        "duration": brief,
        "flags": _flags,
        "json": _json,
    }
    scripts = [_file(name) for name in _SCRIPTS]
    return environment.from_string(_file("page.html")).render(
        content,
        odd_names=ODD,
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files
        style=Markup(_file("page.css")),  # noqa: S704 - our own file
        seal=OPEN,
        licences=Markup(_file("vendor/LICENSES.txt")),  # noqa: S704 - as its authors wrote it
        hashes=" ".join(map(_hash, scripts)),
        plots=[
            asdict(figure)
            for figure in (*content["figures"], *map(content.get, ("classes", "timeline", "steps")))
            if figure is not None
        ],
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """Return what a content security policy calls a script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _flags(sentence: str) -> Markup:
    """Return a sentence whose options are code, which is not broken at their hyphens."""
    return Markup(re.sub(r"--[a-z-]+", r"<code>\g<0></code>", str(escape(sentence))))  # noqa: S704


def _json(value: object) -> Markup:
    """Return JSON in which no tag, comment or entity can begin."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above
