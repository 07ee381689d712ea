"""The examples in the help of ``query``, typed as they stand, give what they promise."""

import csv
import io
import os
import shlex
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from out_dir import OutDir, Video
from shardmill.contract.schema import Facts, Item, Outcome, Row

PROGRAM = (sys.executable, "-m", "shardmill")
DAY_NS = 86_400 * 10**9


def shown(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@cache
def examples() -> list[list[str]]:
    """Each command in the help as a shell would take it apart; some go over several lines."""
    lines = iter(shown("query", "--help").splitlines())
    found = []
    for line in lines:
        if not line.strip().startswith("shardmill query "):
            continue
        text = line
        while text.count('"') % 2:
            text += "\n" + next(lines)
        found.append(shlex.split(text)[1:])
    return found


def example(fragment: str) -> list[str]:
    (fits,) = [words for words in examples() if fragment in " ".join(words)]
    return fits


def made(path: str, *, days_old: float = 1, kind: str = "video", **facts: object) -> Row:
    mtime_ns = time.time_ns() - round(days_old * DAY_NS)
    item = Item(path=path, size_bytes=9, mtime_ns=mtime_ns, label=os.path.dirname(path) or None)
    return Row(item, Facts(kind=kind, **facts), Outcome(status="ok"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with the two output directories that the examples name."""
    shards = OutDir(str(tmp_path / "shards"))
    shards.shard(
        "b0",
        Video("diving/1.mp4", label="diving", label_id=0, frames=3),
        Video("diving/2.mp4", label="diving", label_id=0, frames=2),
        Video("golf/1.mp4", label="golf", label_id=1, frames=4),
    )
    lengths = [made(f"long/{s}.mp4", duration_s=float(s)) for s in range(1, 13)]
    rates = [
        made("diving/even.mp4", vfr=False),
        made("diving/uneven.mp4", vfr=True),
        made("golf/uneven.mp4", vfr=True),
    ]
    shards.part("b1", *lengths, *rates)
    shards.job()
    return tmp_path


def asked(folder: Path, words: list[str]) -> list[list[str]]:
    """The answer, without its line of names."""
    form = [] if "--csv" in words else ["--csv"]
    return list(csv.reader(io.StringIO(shown(*words, *form, cwd=folder))))[1:]


def test_the_longest_clips_come_first(folder):
    found = asked(folder, example("duration_s"))

    assert found == [[f"long/{s}.mp4", f"{s}.0"] for s in range(12, 2, -1)]


def test_classes_are_counted(folder):
    assert sorted(asked(folder, example("sum(frames)"))) == [
        ["diving", "2", "5"],
        ["golf", "1", "4"],
    ]


def test_uneven_rates_of_one_class_are_listed(folder):
    assert asked(folder, example("vfr")) == [["diving/uneven.mp4"]]


def test_the_columns_of_a_table_are_listed(folder):
    names = {row[0] for row in asked(folder, example("describe"))}

    assert {"path", "label", "display_width", "mtime_ns", "error_class", "vfr"} <= names


def test_a_table_goes_into_a_csv_file(folder):
    assert shown(*example("files.csv"), cwd=folder) == ""

    with open(folder / "files.csv", encoding="utf-8", newline="") as file:
        assert len({row["path"] for row in csv.DictReader(file)}) == 18


def test_everything_goes_into_one_sqlite_file(folder):
    assert shown(*example("dataset.sqlite"), cwd=folder) == ""

    with closing(sqlite3.connect(folder / "dataset.sqlite")) as con:
        counts = [
            con.execute(f"select count(*) from {t}").fetchone()
            for t in ("files", "clips", "frames")
        ]
    assert counts == [(18,), (3,), (9,)]


LARGE = {"kind": "image", "display_width": 3840, "display_height": 2160}
OLD = made("old.jpg", days_old=91, **LARGE)


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        pytest.param(OLD, True, id="just 4K, and long not touched"),
        pytest.param(replace(OLD, facts=replace(OLD.facts, display_width=7680)), True, id="larger"),
        pytest.param(
            replace(OLD, facts=replace(OLD.facts, display_width=3839)), False, id="narrow"
        ),
        pytest.param(replace(OLD, facts=replace(OLD.facts, display_height=2159)), False, id="low"),
        pytest.param(replace(OLD, facts=replace(OLD.facts, kind="video")), False, id="a video"),
        pytest.param(made("new.jpg", days_old=89, **LARGE), False, id="touched lately"),
    ],
)
def test_a_wallpaper_is_large_and_was_not_touched_lately(tmp_path, row, fits):
    walls = OutDir(str(tmp_path / "walls"))
    walls.part("b0", row)
    walls.job()

    found = asked(tmp_path, example("display_width >= 3840"))

    assert found == ([[row.item.path]] if fits else [])


def test_every_example_is_tried_here():
    tried = ("duration_s", "sum(frames)", "vfr", "describe", "files.csv", "dataset.sqlite", "3840")

    assert [[f for f in tried if f in " ".join(words)] for words in examples()] == [
        [f] for f in tried
    ]


def test_the_line_of_the_help_that_switches_completion_on_does_so_in_bash():
    line = next(line for line in shown("--help").splitlines() if "bash_source" in line)
    script = f"""
        {line.partition("Completion:")[2]}
        COMP_WORDS=(shardmill re) COMP_CWORD=1
        _shardmill_completion shardmill && echo "${{COMPREPLY[@]}}"
    """
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PATH": path},
    )

    assert (done.stdout, done.stderr) == ("resume retry report\n", "")
