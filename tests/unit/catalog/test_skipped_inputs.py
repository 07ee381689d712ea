"""Inputs that the producer leaves out have their rows, and only those of the last run."""

import os
from contextlib import closing
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from out_dir import OutDir, skipped
from shardmill.catalog.catalog import Catalog
from shardmill.catalog.skipped_inputs import ROWS_IN_A_PART, write_anew
from shardmill.catalog.work_order import Numbering
from shardmill.contract.quantity import printable
from shardmill.dataset.checksum import check_seal
from shardmill.dataset.classes import write_classes
from shardmill.inputs.scan import Found
from shardmill.report.verify import verify

ODD = os.fsdecode(b"\xff\x1b.mp4")


NUMBERING = Numbering({"x": 0})


@pytest.fixture
def write():
    """Returns what has inputs left out: it takes in some of a class, with the reason."""

    def write(out: OutDir, paths: list[str], reason: str = "of no use") -> None:
        with TemporaryDirectory() as folder, closing(Catalog(folder, lambda path: "x")) as catalog:
            catalog.add(Found(path, number, 7) for number, path in enumerate(paths))
            names = pa.array(map(os.fsencode, paths), pa.binary())
            reasons = pa.array([printable(reason)] * len(paths), pa.string())
            catalog.skip(pa.table({"path": names, "reason": reasons}))
            write_anew(out.layout, catalog, NUMBERING)

    return write


def paths(count: int) -> list[str]:
    return [f"{n:05d}" for n in range(count)]


def found(out: OutDir) -> list[dict]:
    return [row for part in out.layout.left_out_parts() for row in pq.read_table(part).to_pylist()]


def test_each_has_its_row_in_a_sealed_part_of_some_thousand(write, tmp_path):
    out = OutDir(str(tmp_path))
    count = 2 * ROWS_IN_A_PART + 1

    write(out, paths(count))

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


def test_rows_of_an_earlier_run_go_and_those_of_workers_stay(write, tmp_path):
    out = OutDir(str(tmp_path))
    out.part("b1", skipped("sound alone"))
    write(out, paths(3))
    first = out.layout.left_out_parts()

    write(out, paths(2))
    second = out.layout.left_out_parts()
    write(out, paths(3))

    assert out.layout.left_out_parts() == first != second
    assert [row["path"] for row in found(out)] == ["00000", "00001", "00002"]
    write(out, [])
    assert out.layout.parts() == [out.layout.part("b1")]


def test_any_name_is_kept_to_the_byte_and_any_reason_is_fit_for_a_table(write, tmp_path):
    out = OutDir(str(tmp_path))

    write(out, [ODD], f"duplicate of {ODD}")

    (row,) = found(out)
    assert row["path_raw"] == b"\xff\x1b.mp4"
    assert row["error_message"] == "duplicate of \\udcff\\x1b.mp4"
