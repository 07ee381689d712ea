"""The tables show committed rows only, and SQL over them can touch nothing else."""

import os
import struct
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from msgspec.structs import replace

from out_dir import FRAME_NS, OutDir, Video, failed
from shardmill.contract.errors import DatasetDamaged, EnvironmentFault, UsageError
from shardmill.dataset import manifest
from shardmill.dataset.index import open_index
from shardmill.report import store


@pytest.fixture
def out(tmp_path):
    return OutDir(str(tmp_path / "it's [out]*"))


def rows(out, sql):
    with store.query(out.out, sql) as answer:
        return list(answer.rows)


def test_no_part_yet_gives_empty_tables_with_every_column(out):
    out.job(inputs=3)

    with store.query(out.out, "select * from files") as answer:
        assert answer.columns == tuple(manifest.OF_FILES.names)
        assert list(answer.rows) == []
    with store.query(out.out, "select * from parts") as answer:
        assert answer.columns == tuple(manifest.SCHEMA.names)
        assert list(answer.rows) == []
    assert rows(out, "select count(*) from clips") == [(0,)]
    assert rows(out, "select count(*) from frames") == [(0,)]


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no job\.json"), store.query(str(tmp_path), "select 1"):
        pass


def test_frames_have_one_row_each_where_the_index_says(out):
    shard = out.shard("b0", Video("a/x.mp4", frames=2, label="a", label_id=0), Video("y.mp4"))
    first = out.clips[shard][0]

    found = rows(out, "select * from frames where path = 'a/x.mp4' order by frame")

    assert found == [
        (
            *(first.clip_id, "a/x.mp4", "a", i, 2 * i, i * FRAME_NS, i == 0, shard),
            *(first.frames.offset[i], first.frames.length[i]),
        )
        for i in range(2)
    ]
    assert rows(out, "select count(*), sum(length) from frames") == [
        (5, sum(int(c.frames.length.sum()) for c in out.clips[shard]))
    ]


def test_clips_have_their_frames_counted(out):
    out.shard("b0", Video("x.mp4", frames=4))

    found = rows(out, "select path, frames, first_pts_ns, last_pts_ns from clips")

    assert found == [("x.mp4", 4, 0, 3 * FRAME_NS)]


def test_an_index_that_no_committed_row_names_does_not_show(out):
    out.shard("b0", Video("x.mp4"))
    out.shard("b1", Video("orphan.mp4"), commit=False)
    out.part("b2", failed("bad.mp4", "corrupt"))

    assert rows(out, "select path from clips") == [("x.mp4",)]
    assert rows(out, "select distinct path from frames") == [("x.mp4",)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/etc/passwd')",
        "select * from sniff_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/etc/*')",
        "select * from read_parquet('{part}')",
        "copy (select 1) to '{new}'",
        "copy (select 1) to '{part}' (format parquet)",
        "export database '{new}'",
        "attach '{new}'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set temp_directory = '{new}'",
        "set python_enable_replacements = true",
        "create secret (type s3)",
    ],
)
def test_sql_cannot_reach_beyond_the_tables(out, tmp_path, sql):
    out.shard("b0", Video("x.mp4"))
    part, new = Path(out.layout.part("b0")), tmp_path / "new"
    before = part.read_bytes()

    with pytest.raises(UsageError, match="this query has no answer"):
        rows(out, sql.format(part=str(part).replace("'", "''"), new=new))

    assert not new.exists()
    assert part.read_bytes() == before


def test_sql_cannot_see_the_variables_of_its_caller(out):
    out.job(inputs=0)
    secret = pa.table({"x": [1]})

    con, _ = store.connect(out.out)
    with closing(con), pytest.raises(duckdb.CatalogException):
        con.execute("select * from secret")

    assert secret.num_rows == 1


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "Parser Error"),
        ("select nope from files", 'column "nope"'),
        ("select path::int from files", "Conversion Error"),
        ("", "expected one SQL query"),
        ("-- nothing", "expected one SQL query"),
    ],
)
def test_bad_sql_is_told_in_one_line(out, sql, message):
    out.shard("b0", Video("x.mp4"))

    with pytest.raises(UsageError, match=message) as error:
        rows(out, sql)

    assert "\n" not in str(error.value)


def test_rows_come_as_they_are_asked_for(out):
    out.job(inputs=0)

    with store.query(out.out, "select * from range(100_000_000_000)") as answer:
        assert next(answer.rows) == (0,)


def test_a_broken_part_is_damage_not_bad_sql(out):
    out.shard("b0", Video("x.mp4"))
    with open(out.layout.part("b1"), "wb") as file:
        file.write(b"garbage")

    with pytest.raises(DatasetDamaged, match=r"part-b1\.parquet.*shardmill verify"):
        rows(out, "select 1")


def test_a_shard_name_cannot_lead_out_of_the_directory(out):
    row = failed("x", "corrupt")
    elsewhere = replace(row.outcome, status="ok", shard="../../secret")
    out.part("b0", replace(row, outcome=elsewhere))

    with pytest.raises(DatasetDamaged, match="expected a shard's file name"):
        rows(out, "select 1")


def test_a_query_that_sorts_more_than_fits_leaves_nothing_behind(out, monkeypatch):
    monkeypatch.setattr(store, "MEMORY_LIMIT", "64MB")
    out.job(inputs=0)
    sql = "select count(*) from (select hash(range) h from range(8_000_000) order by h, range)"

    assert rows(out, sql) == [(8_000_000,)]
    assert os.listdir(out.layout.tmp) == []


def test_a_query_of_ours_that_lacks_memory_says_what_to_do(tmp_path):
    out = OutDir(str(tmp_path / "out"))
    with closing(store.open_files(out.out)) as con:
        con.execute("set memory_limit = '1MB'")
        con.execute("set max_temp_directory_size = '0KB'")

        with pytest.raises(EnvironmentFault, match=r"Out of Memory.*give the process more memory"):
            store.ask(con, "select list(i::varchar) from range(1000000) t(i)")


def offsets_led_away(path: str) -> None:
    """Let the text offsets of an index lead out of its buffers, as a few flipped bytes can."""
    offsets = [0]
    for text in open_index(path)["path"].to_pylist():
        offsets.append(offsets[-1] + len(text.encode()))
    data = Path(path).read_bytes()
    sound = struct.pack(f"<{len(offsets)}i", *offsets)
    assert sound in data
    away = struct.pack(f"<{len(offsets)}i", 0, *[2_000_000_000] * (len(offsets) - 1))
    Path(path).write_bytes(data.replace(sound, away, 1))


def test_a_damaged_index_ends_a_query_in_one_sentence(out):
    """Without a look at its checksum it ends the process."""
    shard = out.shard("b0", Video("a.mp4"), Video("b.mp4"))
    out.job()
    offsets_led_away(out.layout.index_of(shard))

    assert rows(out, "select count(*) from files") == [(2,)]
    for table in ("clips", "frames"):
        with pytest.raises(
            DatasetDamaged, match="does not match its own checksum; `shardmill verify`"
        ):
            rows(out, f"select max(path) from {table}")


def test_many_small_parts_take_no_more_memory_than_a_few(out, monkeypatch):
    """DuckDB sets aside for a batch of two rows what it does for one of thousands."""
    for number in range(800):
        out.shard(f"{number:04}", Video(f"{number:04}.mp4"))
    out.job()
    monkeypatch.setattr(store, "MEMORY_LIMIT", "28MB")

    with closing(store.open_files(out.out)) as con:
        shards = store.ask(con, "select distinct shard from files")
        store.add_clips(con, [out.layout.index_of(row["shard"]) for row in shards])
        assert store.ask(con, store.sql("page/duplicates"), examples=9) is not None
