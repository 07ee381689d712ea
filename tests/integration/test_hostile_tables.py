"""A batch whose table is not the one that it names is refused by name, and charged to no file.

A decoder reads the table that a batch names, whatever lies there; the attempts run in this process.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from in_process_slot import InProcessSlot, batch_in
from made_media import pictures
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.batch import Batch
from shardmill.contract.schema import Item
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset import work_table
from shardmill.dataset.job import Job
from shardmill.dataset.manifest_rows import items_table
from shardmill.dataset.work_table import write_table
from shardmill.ledger.ledger import Ledger
from shardmill_worker.execution import stage
from shardmill_worker.execution.attempt import Worker, perform

COUNT = 4


class OneSlot(InProcessSlot):
    def slot(self) -> "OneSlot":
        return self


@dataclass
class Running:
    """A job with its table, before its batch is sent."""

    ledger: Ledger
    job: Job
    run: str
    batch: Batch
    items: list[Item]
    worker: Worker
    database: object

    @property
    def table(self) -> str:
        return self.job.layout.table(self.run, self.batch.table)

    def perform(self, batch: Batch) -> str:
        """Send a batch and answer its message."""
        assert self.ledger.reserve("job", batch, window=9, number=1) == "reserved"
        return perform(self.worker, "job", batch.id)

    def assert_goes_on(self, batch: Batch) -> None:
        """Check that the batch is neither held nor charged, and that no row was written."""
        key = names.batch_key("job", batch.id)
        assert self.database.hget(key, "attempts") == "0"
        told = self.ledger.snapshot("job")
        assert (told.state, told.inflight, told.leased) == ("paused", 1, 0)
        assert "run the same command again" in told.reason
        assert told.reason.startswith("w: ")
        assert self.job.layout.parts() == []
        assert os.listdir(self.job.layout.tmp) == []


@pytest.fixture
def running(redis_server, tmp_path: Path) -> Iterator[Running]:
    media = pictures(tmp_path / "in", COUNT)
    items = [
        Item(path=path.name, size_bytes=path.stat().st_size, mtime_ns=path.stat().st_mtime_ns)
        for path in sorted(media.iterdir())
    ]
    job = Job(
        name="job", root=str(media), out=str(tmp_path / "out"), spec=Spec(), goal="probe", inputs=4
    )
    job.layout.make()
    job.write()
    with closing(PrivateRedis(redis_server)) as server, server.client(database=1) as database:
        settings = Settings(redis_url=server.url)
        ledger = Ledger(settings)
        run = ledger.new_run()
        ledger.open(job, {}, run=run)
        ledger.register_worker("w", slots=1, forget_after_s=600)
        worker = Worker(
            name="w",
            settings=settings,
            ledger=ledger,
            decoders=OneSlot(),
            publish=lambda job, batches: None,
            tell=lambda title, progress: None,
        )
        batch = batch_in(job, run, items)
        yield Running(ledger, job, run, batch, items, worker, database)
        ledger.close_connections()


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    monkeypatch.setattr(stage, "VISIBLE_S", 0.05)
    monkeypatch.setattr(stage, "LOOK_EVERY_S", 0.001)


def test_the_table_of_the_batch_is_done(running):
    assert running.perform(running.batch) == "4 probed, 4 ok"


def cut_off(running: Running) -> None:
    os.truncate(running.table, os.path.getsize(running.table) // 2)


def emptied(running: Running) -> None:
    os.truncate(running.table, 0)


def altered(running: Running) -> None:
    data = bytearray(Path(running.table).read_bytes())
    data[len(data) // 2] ^= 1
    Path(running.table).write_bytes(data)


def of_another_job(running: Running) -> None:
    """Another table, whole, under this one's name."""
    folder = os.path.dirname(running.table)
    other = write_table(folder, "other-0", items_table(running.items[:1]))
    os.replace(os.path.join(folder, f"{other}.arrow"), running.table)


def linked(running: Running) -> None:
    os.rename(running.table, f"{running.table}.old")
    os.symlink("/etc/passwd", running.table)


def a_folder(running: Running) -> None:
    os.unlink(running.table)
    os.mkdir(running.table)


def a_pipe(running: Running) -> None:
    os.unlink(running.table)
    os.mkfifo(running.table)


@pytest.mark.parametrize(
    "harm", [cut_off, emptied, altered, of_another_job, linked, a_folder, a_pipe]
)
def test_a_table_that_is_not_the_one_that_was_written_is_refused(running, harm):
    harm(running)

    told = running.perform(running.batch)

    assert running.table in told
    running.assert_goes_on(running.batch)


def gone(running: Running) -> None:
    os.unlink(running.table)


def of_another_run(running: Running) -> None:
    """What an earlier opening of the job left is none of this one's."""
    layout = running.job.layout
    os.rename(layout.work_of(running.run), layout.work_of("00000000"))


def without_work(running: Running) -> None:
    shutil.rmtree(running.job.layout.work)


@pytest.mark.parametrize("harm", [gone, of_another_run, without_work])
def test_a_table_that_is_not_there_is_refused(running, harm):
    harm(running)

    told = running.perform(running.batch)

    assert running.job.layout.work in told
    running.assert_goes_on(running.batch)


def of_another_table(running: Running) -> Batch:
    return replace(running.batch, table="inputs-00000-00000000")


def beyond_the_end(running: Running) -> Batch:
    return replace(running.batch, end=COUNT + 1)


def far_beyond_the_end(running: Running) -> Batch:
    return replace(running.batch, first=2**31, end=2**32)


def to_extract_unprobed(running: Running) -> Batch:
    return replace(running.batch, stage="extract")


@pytest.mark.parametrize(
    "batch",
    [of_another_table, beyond_the_end, far_beyond_the_end, to_extract_unprobed],
)
def test_a_batch_that_its_table_does_not_have_is_refused(running, batch):
    hostile = batch(running)

    told = running.perform(hostile)

    assert hostile.table in told
    running.assert_goes_on(hostile)


def foreign_column(rows: pa.Table) -> pa.Table:
    return rows.append_column("command", pa.array(["rm"] * len(rows)))


def column_of_another_type(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index("size_bytes")
    return rows.set_column(at, "size_bytes", pa.array(["1"] * len(rows)))


def without_paths(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["path"])


def without_sizes(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["size_bytes"])


def null_sizes(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index("size_bytes")
    return rows.set_column(at, "size_bytes", pa.nulls(len(rows), pa.int64()))


def null_paths(rows: pa.Table) -> pa.Table:
    return rows.set_column(
        rows.column_names.index("path"), "path", pa.nulls(len(rows), pa.binary())
    )


def null_in_a_list(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index("labels")
    labels = pa.array([[None]] * len(rows), pa.list_(pa.string()))
    return rows.set_column(at, "labels", labels)


def null_segments(rows: pa.Table) -> pa.Table:
    at = rows.column_names.index("segments")
    return rows.set_column(at, "segments", pa.nulls(len(rows), pa.int64()))


def a_column_twice(rows: pa.Table) -> pa.Table:
    return rows.append_column("path", rows["path"])


@pytest.mark.parametrize(
    "change",
    [
        null_in_a_list,
        null_segments,
        a_column_twice,
        foreign_column,
        column_of_another_type,
        without_paths,
        without_sizes,
        null_sizes,
        null_paths,
    ],
)
def test_a_table_with_other_columns_is_refused(running, change):
    """Whoever can write to OUT can give it a name that fits, too."""
    folder = os.path.dirname(running.table)
    name = write_table(folder, "files-0", change(items_table(running.items)))
    hostile = replace(running.batch, table=name)

    told = running.perform(hostile)

    assert name in told
    running.assert_goes_on(hostile)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../in/000.png", "a/../../in/000.png", "..", "a\0b"]
)
def test_a_path_that_leads_out_is_read_by_nobody(running, path):
    items = [*running.items[1:], replace(running.items[0], path=path)]
    hostile = batch_in(running.job, running.run, items)

    told = running.perform(hostile)

    assert "expected an item below the input" in told
    running.assert_goes_on(hostile)


def test_a_table_that_comes_late_is_done(running, monkeypatch):
    monkeypatch.setattr(stage, "VISIBLE_S", 60.0)
    away = f"{running.table}.away"
    os.rename(running.table, away)
    look = os.listdir
    looks: list[str] = []

    def listdir(path: str) -> list[str]:
        looks.append(path)
        if len(looks) == 6:
            os.rename(away, running.table)
        return look(path)

    monkeypatch.setattr(os, "listdir", listdir)

    assert running.perform(running.batch) == "4 probed, 4 ok"
    assert len(looks) >= 6


def test_a_drive_that_cannot_read_a_table_is_nobodys_fault(running, monkeypatch):
    def failing(path: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(work_table.files, "open_to_read", failing)

    outcome = running.perform(running.batch)

    assert "cannot read" in outcome
    assert "Input/output error" in outcome
    key = names.batch_key("job", running.batch.id)
    assert running.database.hget(key, "attempts") == "0"
    assert running.job.layout.parts() == []
