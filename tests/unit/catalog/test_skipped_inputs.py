"""Inputs that the producer leaves out have their rows, and only those of the last run."""

import os

import pyarrow.parquet as pq

from out_dir import OutDir, skipped
from shardmill.catalog.skipped_inputs import ROWS_IN_A_PART, write_anew
from shardmill.contract.schema import Item
from shardmill.dataset.classes import write_classes
from shardmill.dataset.file_checksum import check_seal
from shardmill.report.verify import verify

ODD = os.fsdecode(b"\xff\x1b.mp4")


def items(count: int) -> list[tuple[Item, str]]:
    known = {"mtime_ns": 7, "label": "x", "label_id": 0}
    found = (Item(path=f"{n:05d}", size_bytes=n, **known) for n in range(count))
    return [(item, "of no use") for item in found]


def found(out: OutDir) -> list[dict]:
    return [row for part in out.layout.left_out_parts() for row in pq.read_table(part).to_pylist()]


def test_each_has_its_row_in_a_sealed_part_of_some_thousand(tmp_path):
    out = OutDir(str(tmp_path))
    count = 2 * ROWS_IN_A_PART + 1

    write_anew(out.layout, items(count))

    parts = out.layout.left_out_parts()
    assert sorted(pq.read_metadata(part).num_rows for part in parts) == [
        *(1, ROWS_IN_A_PART, ROWS_IN_A_PART),
    ]
    for part in parts:
        check_seal(part)
    rows = found(out)
    assert {row["path"] for row in rows} == {f"{n:05d}" for n in range(count)}
    told = ("status", "error_message", "error_class", "label", "attempts", "worker")
    assert {tuple(row[name] for name in told) for row in rows} == {
        ("skipped", "of no use", None, "x", 0, None)
    }
    assert os.listdir(out.layout.tmp) == []
    out.job(inputs=count)
    write_classes(out.layout, {"x": 0})
    assert verify(out.out).problems == ()


def test_rows_of_an_earlier_run_go_and_those_of_workers_stay(tmp_path):
    out = OutDir(str(tmp_path))
    out.part("b1", skipped("sound alone"))
    write_anew(out.layout, items(3))
    first = out.layout.left_out_parts()

    write_anew(out.layout, items(2))
    second = out.layout.left_out_parts()
    write_anew(out.layout, items(3))

    assert out.layout.left_out_parts() == first != second
    assert [row["path"] for row in found(out)] == ["00000", "00001", "00002"]
    write_anew(out.layout, [])
    assert out.layout.parts() == [out.layout.part("b1")]


def test_any_name_is_kept_to_the_byte_and_any_reason_is_fit_for_a_table(tmp_path):
    out = OutDir(str(tmp_path))

    write_anew(out.layout, [(Item(path=ODD, size_bytes=1, mtime_ns=1), f"duplicate of {ODD}")])

    (row,) = found(out)
    assert row["path_raw"] == b"\xff\x1b.mp4"
    assert row["error_message"] == "duplicate of \\udcff\\x1b.mp4"
