"""What no longer holds is taken out of an output directory, and nothing else."""

import os
from contextlib import closing

import pytest

from out_dir import OutDir, Video, failed, skipped
from shardmill.catalog.catalog import Catalog
from shardmill.contract.options.labels import no_label
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import read_part
from shardmill.inputs.scan import Found
from shardmill.producer.resume import take_out_stale

SIZES = {"ok": 1000, "failed": 500, "skipped": 70}
"""As ``out_dir`` makes its rows."""


@pytest.fixture
def out(tmp_path) -> OutDir:
    """Two shards of two clips, and a part without a shard."""
    out = OutDir(str(tmp_path / "out"))
    out.shard("b1", Video("a"), Video("b"))
    out.shard("b2", Video("c"), Video("d"))
    out.part("b3", failed("e", "crash"), skipped("f"))
    return out


def everything(out: OutDir) -> dict[str, list[str]]:
    layout = out.layout
    kept = {
        "rows": [row.item.path for part in layout.parts() for row in read_part(part)],
        "shards": [name.split("-")[1] for name in layout.shard_names()],
        "index": parts_with(layout, ".arrow"),
        "records": parts_with(layout, ".idx"),
    }
    assert os.listdir(layout.tmp) == []
    return kept


def parts_with(layout: Layout, suffix: str) -> list[str]:
    """The parts that have such a file beside their shard."""
    names = [name for name in os.listdir(layout.index) if name.endswith(suffix)]
    return sorted(name.split("-")[1] for name in names)


def take_out(out: OutDir, **found: int) -> None:
    """Compare with inputs of these sizes."""
    with closing(Catalog(os.path.join(out.out, ".."), no_label)) as catalog:
        catalog.add(Found(path, size_bytes, 1) for path, size_bytes in found.items())
        catalog.add_manifest(out.layout, Spec())
        catalog.compare()
        take_out_stale(out.layout, catalog)


UNCHANGED = {"a": 1000, "b": 1000, "c": 1000, "d": 1000, "e": 500, "f": 70}


@pytest.mark.parametrize(
    ("found", "rows", "shards"),
    [
        pytest.param(UNCHANGED, "abcdf", ["b1", "b2"], id="only the failed are tried again"),
        pytest.param(UNCHANGED | {"a": 7}, "cdf", ["b2"], id="a changed file takes its shard"),
        pytest.param({"c": 1000, "d": 1000, "f": 70}, "cdf", ["b2"], id="a removed one too"),
        pytest.param(UNCHANGED | {"f": 7}, "abcd", ["b1", "b2"], id="an empty part goes"),
        pytest.param({}, "", [], id="everything is gone"),
    ],
)
def test_what_no_longer_holds_is_taken_out(out, found, rows, shards):
    take_out(out, **found)

    beside = {"index": shards, "records": shards}
    assert everything(out) == {"rows": list(rows), "shards": shards} | beside


def test_a_shard_that_is_missing_already_is_no_error(out):
    for name in out.layout.shard_names():
        os.unlink(out.layout.shard(name))

    take_out(out)

    assert everything(out)["rows"] == []
