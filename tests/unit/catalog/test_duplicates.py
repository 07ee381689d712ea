"""Which inputs have the same bytes is told from their bytes, and only of those that hold still."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shardmill.catalog.catalog import Catalog
from shardmill.catalog.duplicates import AHEAD, skip_duplicates
from shardmill.contract.location.archive import CHUNK_BYTES
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import LabelOf, label_of, no_label
from shardmill.inputs.scan import Found


@pytest.fixture
def catalog(tmp_path) -> Iterator[Catalog]:
    with closing(Catalog(str(tmp_path), no_label)) as catalog:
        yield catalog


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "in"
    root.mkdir()
    return root


def as_found(root: Path) -> list[Found]:
    status = {path.name: path.lstat() for path in root.iterdir()}
    return [Found(name, each.st_size, each.st_mtime_ns) for name, each in status.items()]


def left_out(catalog: Catalog, root: Path, found: list[Found]) -> dict[str, str]:
    catalog.add(found)
    catalog.compare()
    skip_duplicates(catalog, Roots.of(str(root)), lambda sentence: None)
    rows = catalog.skipped().read_all().to_pylist()
    return {os.fsdecode(row["path"]): row["reason"] for row in rows}


def test_files_that_differ_in_their_last_byte_are_no_duplicates(catalog, root):
    long = b"x" * (2 * CHUNK_BYTES)
    for name, end in {"a": b"1", "b": b"2", "c": b"1"}.items():
        (root / name).write_bytes(long + end)

    assert left_out(catalog, root, as_found(root)) == {"c": "duplicate of a"}


def test_more_files_than_are_read_at_a_time(catalog, root):
    for number in range(2 * AHEAD + 2):
        (root / f"{number:04d}").write_bytes(b"%04d" % (number % (AHEAD + 1)))

    assert left_out(catalog, root, as_found(root)) == {
        f"{AHEAD + 1 + number:04d}": f"duplicate of {number:04d}" for number in range(AHEAD + 1)
    }


def test_a_file_that_changed_is_gone_or_is_none_is_left_to_the_probe(catalog, root):
    for name in ("a", "b", "older", "shorter"):
        (root / name).write_bytes(b"same")
    found = as_found(root)
    found.append(Found("gone", 4, 1))
    os.mkfifo(root / "pipe")
    found.append(Found("pipe", 4, (root / "pipe").stat().st_mtime_ns))
    os.utime(root / "older", ns=(1, 1))
    (root / "shorter").write_bytes(b"sam")

    assert left_out(catalog, root, found) == {"b": "duplicate of a"}


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        pytest.param(no_label, [], id="no labels"),
        pytest.param(
            label_of,
            ["2 of them have another label than the file that is kept: y/b is y, x/\udcff is x"],
            id="labels that differ",
        ),
    ],
)
def test_it_is_told_how_many_there_are_and_which_contradict(
    tmp_path, root, rule: LabelOf, more: list[str]
):
    names = [os.fsdecode(b"x/\xff"), "x/\udcff2", "y/b", "y/c"]
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"same")
    status = {name: (root / name).lstat() for name in names}
    found = [Found(name, each.st_size, each.st_mtime_ns) for name, each in status.items()]
    told: list[str] = []
    with closing(Catalog(str(tmp_path), rule)) as catalog:
        catalog.add(found)
        catalog.compare()
        skip_duplicates(catalog, Roots.of(str(root)), told.append)

    assert told == ["3 inputs are duplicates of others and left out", *more]
