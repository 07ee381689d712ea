"""Answers of queries as CSV and SQLite files: whole, new, and the same values."""

import csv
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from out_dir import OutDir, Video, failed
from shardmill.contract.errors import EnvironmentFault, UsageError
from shardmill.report.export import export


@pytest.fixture
def out(tmp_path):
    out = OutDir(str(tmp_path / "out"))
    out.shard("b0", Video("a,b.mp4", frames=3), Video('c"d.mp4', frames=2))
    out.part("b1", failed("e\nf.mp4", "corrupt", "it is\nbroken"))
    out.job()
    return out


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "to").mkdir()
    return tmp_path / "to"


def asked(path: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as con:
        return con.execute(sql).fetchall()


def test_all_tables_go_into_one_database(out, folder):
    export(out.out, str(folder / "all.sqlite"), None)

    tables = asked(folder / "all.sqlite", "select name from sqlite_master order by name")
    assert tables == [("clips",), ("files",), ("frames",)]
    assert asked(
        folder / "all.sqlite",
        "select path, status, count(frame) from files left join frames using (path)"
        " group by path order by path",
    ) == [("a,b.mp4", "ok", 3), ('c"d.mp4', "ok", 2), ("e\\nf.mp4", "failed", 0)]


def test_an_answer_is_a_table_of_that_name(out, folder):
    sql = """
        select 1 as whole, 0.5 as half, true as yes, null as nothing, 'x' as "x""y",
               '9223372036854775808'::hugeint as large, [1, 2] as list, 'ab'::blob as bytes
    """
    export(out.out, str(folder / "some.db"), sql)

    assert asked(folder / "some.db", "select * from answer") == [
        (1, 0.5, 1, None, "x", "9223372036854775808", "[1, 2]", b"ab")
    ]
    assert asked(folder / "some.db", 'select "x""y" from answer') == [("x",)]


def test_a_cell_may_hold_the_end_of_a_line(out, folder):
    """As RFC 4180 has it: a cell with a carriage return or a line feed is quoted."""
    cells = "'x' || chr(13) || 'y' as a, 'z' || chr(10) as b, 'w' || chr(13) || chr(10) as c"

    export(out.out, str(folder / "ends.csv"), f"select {cells}")

    text = (folder / "ends.csv").read_bytes()
    assert text == b'a,b,c\n"x\ry","z\n","w\r\n"\n'
    with open(folder / "ends.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["a", "b", "c"], ["x\ry", "z\n", "w\r\n"]]


def test_csv_is_what_another_reader_of_csv_reads(out, folder):
    export(out.out, str(folder / "files.csv"), "select path, frames_kept from files order by path")

    with open(folder / "files.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "frames_kept"],
            ["a,b.mp4", "3"],
            ['c"d.mp4', "2"],
            ["e\\nf.mp4", ""],
        ]


FORMULAS = ("=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1")


def test_a_spreadsheet_runs_no_cell_of_a_csv_file(out, folder):
    """Text alone is altered: a number below zero is a number."""
    values = ", ".join(f"('{text}', -1.5, -2)" for text in FORMULAS)

    export(out.out, str(folder / "f.csv"), f"from (values {values}) as t(text, half, whole)")
    export(out.out, str(folder / "plain.csv"), "select 'a=b' as \"=name\", null as none, '' as no")
    export(out.out, str(folder / "f.db"), f"select text from (values {values}) as t(text, h, w)")

    with open(folder / "f.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert rows == [[f"'{text}", "-1.5", "-2"] for text in FORMULAS]
    assert (folder / "plain.csv").read_text() == "'=name,none,no\na=b,,\n"
    assert asked(folder / "f.db", "select * from answer") == [(text,) for text in FORMULAS]


def test_a_text_that_sqlite_has_no_room_for_is_told(out, folder, monkeypatch):
    """It holds a thousand million bytes; here its limit is lower, to be quick."""
    connect = sqlite3.connect

    def small(path: str) -> sqlite3.Connection:
        con = connect(path)
        con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        return con

    monkeypatch.setattr(sqlite3, "connect", small)

    with pytest.raises(UsageError, match="SQLite can hold, but: string or blob too big: change"):
        export(out.out, str(folder / "large.db"), "select repeat('x', 1001) as x")

    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("name", "sql", "message"),
    [
        ("x.xls", "from files", r"ends in \.csv, \.sqlite or \.db, got '.*x\.xls'"),
        ("x.csv", None, "a CSV file holds one table"),
        ("there.csv", "from files", "there already: remove it"),
        ("link.sqlite", None, "there already: remove it"),
        ("x.sqlite", "selec 1", "Parser Error"),
        ("x.csv", "select error(path) from files", "this query has no answer"),
        ("x.sqlite", "select 1 as a, 2 as a", "duplicate column name: a"),
        ("x.sqlite", "copy (select 1) to '/tmp/x'", "this query has no answer"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(out, folder, name, sql, message):
    (folder / "there.csv").write_text("mine")
    (folder / "link.sqlite").symlink_to(folder / "nowhere")

    with pytest.raises(UsageError, match=message):
        export(out.out, str(folder / name), sql)

    assert sorted(os.listdir(folder)) == ["link.sqlite", "there.csv"]
    assert (folder / "there.csv").read_text() == "mine"


@pytest.mark.parametrize("name", ["x.csv", "x.sqlite"])
def test_a_place_that_cannot_be_written_is_told(out, folder, name):
    with pytest.raises(EnvironmentFault, match=rf"expected to write .*{name}, but: .*No such file"):
        export(out.out, str(folder / "missing" / name), "from files")
