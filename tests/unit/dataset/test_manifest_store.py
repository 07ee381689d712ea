"""Parts are committed once, replaced whole, and withdrawn before their shards."""

import os

import pytest

from out_dir import OutDir, Video, failed, skipped
from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.dataset.checksum import check_seal
from shardmill.dataset.manifest import read_part, write_part
from shardmill.dataset.manifest_store import ManifestStore
from shardmill.storage import files


@pytest.fixture
def out(tmp_path) -> OutDir:
    return OutDir(str(tmp_path / "out"))


@pytest.fixture
def store(out) -> ManifestStore:
    return ManifestStore(out.layout)


def waiting(out: OutDir, name: str, *rows) -> str:
    path = os.path.join(out.layout.tmp, name)
    write_part(path, rows)
    return path


def paths(part: str) -> list[str]:
    return [row.item.path for row in read_part(part)]


def test_of_two_attempts_the_first_counts(out, store):
    assert not store.is_committed("b1")

    assert store.commit(waiting(out, "1", skipped("a")), "b1")
    assert not store.commit(waiting(out, "2", skipped("b")), "b1")

    assert store.is_committed("b1")
    assert paths(out.layout.part("b1")) == ["a"]


def test_a_commit_is_durable_once_it_is_told(out, store, monkeypatch):
    synced: list[str] = []
    monkeypatch.setattr(files, "sync_directory", synced.append)

    store.commit(waiting(out, "1", skipped("a")), "b1")
    assert synced == [out.layout.manifest]
    store.is_committed("b2")
    assert synced == [out.layout.manifest]
    store.is_committed("b1")
    assert synced == [out.layout.manifest] * 2


def test_what_is_gone_is_no_commit(out, store):
    with pytest.raises(FileNotFoundError):
        store.commit(os.path.join(out.layout.tmp, "1"), "b1")
    assert out.layout.parts() == []


def test_a_manifest_that_is_gone_is_the_machines_fault(out, store):
    path = waiting(out, "1", skipped("a"))
    os.rmdir(out.layout.manifest)

    with pytest.raises(EnvironmentFault, match="is gone: run the same command again"):
        store.commit(path, "b1")


def test_a_part_is_replaced_whole(out, store):
    out.part("b1", skipped("a"), skipped("b"))
    part = out.layout.part("b1")

    store.replace(part, [skipped("c")])

    assert paths(part) == ["c"]
    check_seal(part)
    assert os.listdir(out.layout.tmp) == []


def test_rows_are_removed_by_path_and_segment(out, store):
    odd = os.fsdecode(b"\xff\n")
    rows = [failed(odd, "crash", segment=n, segments=3) for n in range(3)]
    out.part("b1", *rows, skipped("a"))
    part = out.layout.part("b1")

    store.remove_rows(part, {(b"\xff\n", 1), (b"a", 1)})

    assert [(row.item.path, row.item.segment) for row in read_part(part)] == [
        *((odd, 0), (odd, 2), ("a", 0)),
    ]
    assert list(read_part(part))[:2] == [rows[0], rows[2]]
    check_seal(part)
    store.remove_rows(part, {(b"\xff\n", 0), (b"\xff\n", 2), (b"a", 0)})
    assert out.layout.parts() == [], "a part without rows goes"


def test_a_part_goes_before_its_shards(out, store, monkeypatch):
    shard = out.shard("b1", Video("a"))
    kept = out.shard("b2", Video("b"))
    part, gone = out.layout.part("b1"), []
    remove = files.remove
    monkeypatch.setattr(files, "remove", lambda path: (gone.append(path), remove(path)))

    store.withdraw(part)

    assert gone == [part, *out.layout.files_of(shard)]
    assert not any(map(os.path.exists, gone))
    assert all(map(os.path.exists, [out.layout.part("b2"), *out.layout.files_of(kept)]))


def test_what_is_no_part_is_damage(out, store):
    part = out.layout.part("b1")
    with open(part, "wb") as file:
        file.write(b"nothing of the sort")

    for edit in (store.withdraw, lambda part: store.remove_rows(part, {(b"a", 0)})):
        with pytest.raises(DatasetDamaged):
            edit(part)
    assert os.path.exists(part)
