"""File and folder names of every kind a file system allows, through whole jobs.

Linux allows every byte in a name but ``/`` and NUL.  What is printed, stored and read back must
be safe for a terminal and a table, and must still tell the files apart.
"""

import csv
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import Done, shell
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part, table_of
from shardmill.read import open_shards
from shardmill.report.verify import verify

pytestmark = [
    pytest.mark.needs_redis,
    pytest.mark.skipif(sys.platform == "darwin", reason="file names must be UTF-8 there"),
]

NAMES = {
    b"frame%03d": "frame%03d",
    b"%d%s%n": "%d%s%n",
    b"*?[a-z]{b,c}": "*?[a-z]{b,c}",
    b"-i": "-i",
    b"--out=x": "--out=x",
    b"http:x": "http:x",
    b"concat:a|b": "concat:a|b",
    b"subfile,,start,0,end,9,,:x": "subfile,,start,0,end,9,,:x",
    b" spaces  everywhere ": " spaces  everywhere ",
    b"'single' \"double\" `back`": "'single' \"double\" `back`",
    b"$(touch pwned); rm -rf *": "$(touch pwned); rm -rf *",
    b"a,b;c\td": "a,b;c\\td",
    b"new\nline": "new\\nline",
    b"new\\nline": "new\\nline",
    b"return\rand bell\x07": "return\\rand bell\\x07",
    b"\x1b[2J\x1b[31mred": "\\x1b[2J\\x1b[31mred",
    b"not UTF-8 \xff\xfe": "not UTF-8 \\udcff\\udcfe",
    b"delete \x7f": "delete \\x7f",
    "C1 \x9b31m": "C1 \\x9b31m",
    "schön 写真 🎬": "schön 写真 🎬",
    "right to left \u202etxt": "right to left \\u202etxt",
    "line \u2028 separator": "line \\u2028 separator",
    "zero\u200bwidth": "zero\\u200bwidth",
    "[bold]markup[/bold]": "[bold]markup[/bold]",
    "<script>alert(1)</script>".replace("/", "\\"): "<script>alert(1)<\\script>",
    "CON": "CON",
    "= 1 + 1": "= 1 + 1",
}
"""Each name, and how it is printed, by hand."""


def raw(name: bytes | str) -> bytes:
    return name.encode() if isinstance(name, str) else name


@dataclass
class Input:
    """A picture of one grey, by which it is known again."""

    path: bytes
    printed: str
    grey: int


def inputs() -> list[Input]:
    """Each name as a file's and as a folder's, and one of each as long as can be."""
    names = {raw(name): printed for name, printed in NAMES.items()}
    found = [(name + b".png", f"{printed}.png") for name, printed in names.items()]
    found += [(name + b"/x.png", f"{printed}/x.png") for name, printed in names.items()]
    found += [
        (b"n" * 251 + b".png", "n" * 251 + ".png"),
        (b"d" * 255 + b"/x.png", "d" * 255 + "/x.png"),
    ]
    return [Input(path, printed, 10 + 4 * k) for k, (path, printed) in enumerate(found)]


INPUTS = inputs()
BROKEN = b"\x1b]0;title\x07 broken \xff.mp4"
HIDDEN = (b"..hidden.png", b".hidden/x.png")


def write(root: bytes, path: bytes, data: bytes) -> None:
    place = os.path.join(root, path)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(data)


def png(grey: int) -> bytes:
    return cv2.imencode(".png", np.full((12, 16, 3), grey, np.uint8))[1].tobytes()


@dataclass
class Jobs:
    """What the commands printed, and where the job is."""

    out: Path
    printed: dict[str, Done]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> Jobs:
    folder = tmp_path_factory.mktemp("names")
    root = os.fsencode(folder) + b"/in %03d: *[x]"
    for known in INPUTS:
        write(root, known.path, png(known.grey))
    for path in HIDDEN:
        write(root, path, png(0))
    write(root, BROKEN, b"\0" * 500)
    out = folder / "out"
    media = os.fsdecode(root)
    with shell() as here:
        printed = {"run": here.run("run", media, "--out", out, "--encoding", "png")}
        printed["again"] = here.run("run", media, "--out", out, "--encoding", "png", "--json")
        printed["probe"] = here.run("probe", media, "--out", folder / "probed")
        printed["failures"] = here.run("failures", out)
        printed["status"] = here.run("status", out)
        printed["verify"] = here.run("verify", out)
        printed["table"] = here.run("query", out, "from files")
        printed["csv"] = here.run("query", out, "select path, status from files", "--csv")
        printed["json"] = here.run("query", out, "select path, status from files", "--json")
        printed["by path"] = here.run("query", out, "select path from clips order by path", "--csv")
    return Jobs(out, printed)


def test_every_file_is_ok_and_keeps_its_name_to_the_byte(jobs):
    rows = [row for part in Layout(str(jobs.out)).parts() for row in read_part(part)]

    found = {os.fsencode(row.item.path): row for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == {known.path for known in INPUTS} | {BROKEN}
    assert {path for path, row in found.items() if row.outcome.status != "ok"} == {BROKEN}
    assert found[BROKEN].outcome.error_class == "corrupt"
    shown = dict(zip(found, table_of(rows)["path"].to_pylist(), strict=True))
    for known in INPUTS:
        assert shown[known.path] == known.printed
    assert verify(str(jobs.out)).problems == ()


def test_every_clip_is_read_back_under_its_name(jobs):
    clips = open_shards(str(jobs.out))

    read = sorted((clip.path, int(clip.frames()[0].mean())) for clip in clips)
    assert read == sorted((known.printed, known.grey) for known in INPUTS)
    assert len({clip.clip_id for clip in clips}) == len(INPUTS), "two may be printed alike"


def test_going_on_knows_each_file_again(jobs):
    said = jobs.printed["again"].json

    assert (said["ok"], said["failed"], said["skipped"]) == (len(INPUTS), 1, 0)


def test_probing_finds_the_same(jobs):
    assert jobs.printed["probe"].code == 3
    rows = [
        row for part in Layout(str(jobs.out.parent / "probed")).parts() for row in read_part(part)
    ]
    ok = {os.fsencode(row.item.path) for row in rows if row.outcome.status == "ok"}
    assert ok == {known.path for known in INPUTS}


@pytest.mark.parametrize(
    "command", ["run", "again", "probe", "failures", "status", "verify", "table", "csv", "json"]
)
def test_nothing_that_moves_a_terminal_is_printed(jobs, command):
    done = jobs.printed[command]

    for text in (done.out, done.err):
        assert all(line.isprintable() for line in text.split("\n"))
    assert "Traceback" not in done.err


def test_tables_keep_one_row_a_file(jobs):
    """In CSV, what a spreadsheet would run has a quotation mark before it."""
    expected = sorted(known.printed for known in INPUTS)
    cells = [f"'{path}" if path[0] in "=+-@\t\r" else path for path in expected]
    table = list(csv.DictReader(io.StringIO(jobs.printed["csv"].out)))
    objects = [json.loads(line) for line in jobs.printed["json"].out.splitlines()]

    for found, paths in ((table, cells), (objects, expected)):
        assert sorted(row["path"] for row in found if row["status"] == "ok") == sorted(paths)
