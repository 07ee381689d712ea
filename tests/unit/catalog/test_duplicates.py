"""Which inputs have the same bytes is told from their bytes, and only of those that hold still."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shardmill.catalog.duplicates import AHEAD, leave_out_duplicates
from shardmill.catalog.spool import Spool
from shardmill.contract.location.archive import CHUNK_BYTES
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Item
from shardmill.inputs.scan import Found


@pytest.fixture
def spool(tmp_path) -> Iterator[Spool]:
    spool = Spool(str(tmp_path / "spool"), seed=0)
    yield spool
    spool.close()


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "in"
    root.mkdir()
    return root


def as_found(root: Path) -> list[Found]:
    status = {path.name: path.lstat() for path in root.iterdir()}
    return [Found(name, each.st_size, each.st_mtime_ns) for name, each in status.items()]


def item(found: Found) -> Item:
    return Item(path=found.path, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)


def left_out(spool: Spool, root: Path, found: list[Found]) -> dict[str, str]:
    spool.add(found)
    spool.compare()
    leave_out_duplicates(spool, Roots.of(str(root)), item, lambda sentence: None)
    return {each.path: reason for each, reason in spool.left_out()}


def test_files_that_differ_in_their_last_byte_are_no_duplicates(spool, root):
    long = b"x" * (2 * CHUNK_BYTES)
    for name, end in {"a": b"1", "b": b"2", "c": b"1"}.items():
        (root / name).write_bytes(long + end)

    assert left_out(spool, root, as_found(root)) == {"c": "duplicate of a"}


def test_more_files_than_are_read_at_a_time(spool, root):
    for number in range(2 * AHEAD + 2):
        (root / f"{number:04d}").write_bytes(b"%04d" % (number % (AHEAD + 1)))

    assert left_out(spool, root, as_found(root)) == {
        f"{AHEAD + 1 + number:04d}": f"duplicate of {number:04d}" for number in range(AHEAD + 1)
    }


def test_a_file_that_changed_is_gone_or_is_none_is_left_to_the_probe(spool, root):
    for name in ("a", "b", "older", "shorter"):
        (root / name).write_bytes(b"same")
    found = as_found(root)
    found.append(Found("gone", 4, 1))
    os.mkfifo(root / "pipe")
    found.append(Found("pipe", 4, (root / "pipe").stat().st_mtime_ns))
    os.utime(root / "older", ns=(1, 1))
    (root / "shorter").write_bytes(b"sam")

    assert left_out(spool, root, found) == {"b": "duplicate of a"}
