"""A manifest row survives every way it travels, and nothing else is taken for one."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.manifest import SCHEMA, read_part, table_of, write_part

ITEM = Item(path="a/b.mp4", size_bytes=10, mtime_ns=20, label="a", label_id=0)
FACTS = Facts(kind="video", codec="h264", width=320, height=240, fps=29.97, vfr=False)
DONE = Outcome(status="ok", frames_kept=3, clip_id="c", shard="part-x-1.tfrecord", bytes_out=99)
STRANGE_PATHS = [
    pytest.param("plain/ünï-日本.mp4", id="UTF-8"),
    pytest.param(os.fsdecode(b"a/\xff\xfe.mp4"), id="bytes that are no UTF-8"),
    pytest.param("a/line\nbreak\ttab.mp4", id="control characters"),
    pytest.param("a/back\\slash \\n.mp4", id="backslashes"),
    pytest.param("-%d:x?.mp4", id="patterns and protocols"),
    pytest.param("a/\u202egpj.mp4", id="writing direction"),
]


def flat(row):
    (values,) = table_of([row]).to_pylist()
    return values


@pytest.mark.parametrize("path", STRANGE_PATHS)
def test_any_path_survives_a_parquet_part(tmp_path, path):
    rows = [Row(replace(ITEM, path=path), FACTS, DONE)]
    write_part(str(tmp_path / "part"), rows)

    assert list(read_part(str(tmp_path / "part"))) == rows


@pytest.mark.parametrize("path", STRANGE_PATHS)
def test_the_shown_path_is_fit_for_a_terminal(path):
    shown = flat(Row(replace(ITEM, path=path), FACTS, DONE))["path"]

    assert shown.isprintable()
    shown.encode("utf-8")


def test_raw_bytes_are_kept_only_where_the_path_was_escaped():
    plain = flat(Row(ITEM, FACTS, DONE))
    strange = flat(Row(replace(ITEM, path=os.fsdecode(b"\xff")), FACTS, DONE))

    assert (plain["path"], plain["path_raw"]) == ("a/b.mp4", None)
    assert (strange["path"], strange["path_raw"]) == ("\\udcff", b"\xff")


def test_a_row_has_a_column_for_every_field_in_order():
    names = [name for kind in (Item, Facts, Outcome) for name in kind.__struct_fields__]

    assert SCHEMA.names == [*names, "path_raw"]
    assert list(flat(Row(ITEM, FACTS, DONE))) == SCHEMA.names


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("path", "string"),
        ("size_bytes", "int64"),
        ("fps", "double"),
        ("vfr", "bool"),
        ("kind", "string"),
        ("status", "string"),
        ("end_ns", "int64"),
        ("path_raw", "binary"),
    ],
)
def test_columns_have_the_types_that_queries_expect(column, kind):
    assert str(SCHEMA.field(column).type) == kind


def test_a_part_holds_rows_of_every_status(tmp_path):
    rows = [
        Row(ITEM, FACTS, DONE),
        Row(
            replace(ITEM, segment=1, segments=2, start_ns=0, end_ns=5),
            Facts(),
            Outcome(
                status="failed", error_class="corrupt", error_message="bad \x1b[31m", seconds=2
            ),
        ),
        Row(ITEM, Facts(has_audio=True), Outcome(status="skipped", error_message="audio alone")),
    ]
    path = str(tmp_path / "part")
    write_part(path, rows)

    back = list(read_part(path))

    assert back[0] == rows[0]
    assert back[1].outcome.error_message == "bad \\x1b[31m"
    assert back[2] == rows[2]
    assert pq.read_schema(path).equals(SCHEMA)


@pytest.mark.parametrize("content", [b"", b"not a table", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_no_part_is_named(tmp_path, content):
    path = tmp_path / "part.parquet"
    path.write_bytes(content)

    with pytest.raises(DatasetDamaged, match=r"part\.parquet is no manifest part"):
        list(read_part(str(path)))


@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowException("Unknown error: Failed to launch worker thread"),
        pa.ArrowMemoryError("malloc of size 64 failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_machine_without_memory_is_not_called_a_damaged_part(tmp_path, monkeypatch, error):
    path = str(tmp_path / "part.parquet")
    write_part(path, [])

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", fail)

    with pytest.raises(EnvironmentFault, match="give the process more memory"):
        list(read_part(path))
