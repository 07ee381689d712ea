"""A worker that slept between its last look at the ledger and its commit changes nothing.

No kill from outside meets that instant, so here the attempts run in this process, with a real
ledger, real files and a slot that decodes on the spot and then lets others have their turn.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from awaiting import wait_for
from cluster import assert_whole
from in_process_slot import InProcessSlot, batch_in
from made_media import pictures
from private_redis import PrivateRedis
from shardmill.contract.batch import Batch
from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.schema import Item
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset import leftovers
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest import shards_of
from shardmill.ledger.ledger import FINISH_ID, Ledger
from shardmill.monitor.watcher import SILENT
from shardmill.producer.feeder import Feeder
from shardmill.producer.request import Request
from shardmill.storage import files
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.execution.attempt import Worker, perform
from shardmill_worker.execution.in_decoder.work import BatchWork

pytestmark = pytest.mark.needs_redis


class Slot(InProcessSlot):
    """Extracts in this process; then, before it says that it is done, others work."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def slot(self) -> "Slot":
        return self

    def run(self, work, **limits):
        result = super().run(work, **limits)
        if isinstance(work, BatchWork):
            self.meanwhile()
        return result


@dataclass
class Cluster:
    """A job of one extract batch, in flight."""

    ledger: Ledger
    settings: Settings
    job: Job
    batch: Batch
    paths: list[str]
    """Those of the batch."""
    out: Path

    def worker(self, name: str, meanwhile: Callable[[], None] = lambda: None, **settings) -> Worker:
        return Worker(
            name=name,
            settings=replace(self.settings, **settings),
            ledger=self.ledger,
            decoders=Slot(meanwhile),
            publish=lambda job, batches: None,
            tell=lambda title, progress: None,
        )

    def do(self, worker: Worker, batch: Batch) -> str:
        """Do a batch as soon as nobody holds it."""
        return wait_for(
            lambda: (told := perform(worker, self.job.name, batch.id)) != "busy" and told,
            "the end of a lease",
        )

    def finish(self) -> None:
        self.ledger.close(self.job.name, batches=1)
        self.ledger.enqueue_finish(self.job.name)
        perform(self.worker("other"), self.job.name, FINISH_ID)

    @property
    def state(self) -> str:
        return self.ledger.snapshot(self.job.name).state


@pytest.fixture
def settings(redis_server) -> Iterator[Settings]:
    """Those of a cluster whose leases are over at once."""
    server = PrivateRedis(redis_server)
    yield Settings(redis_url=server.url, lease_s=0.1)
    server.close()


@pytest.fixture
def cluster(settings, tmp_path) -> Iterator[Cluster]:
    media, out = pictures(tmp_path / "in", 4), tmp_path / "out"
    items = []
    for path in sorted(media.iterdir()):
        status = path.stat()
        items.append(Item(path=path.name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns))
    facts = [probe_item(str(media), item) for item in items]
    job = Job(
        name="job",
        root=str(media),
        out=str(out),
        spec=Spec(size="16x12"),
        inputs=len(items),
        started_s=time.time(),
    )
    Layout(str(out)).make()
    job.write()
    ledger = Ledger(settings)
    run = ledger.new_run()
    ledger.open(job, {}, run=run)
    batch = batch_in(job, run, items, facts)
    ledger.reserve("job", batch, window=8, number=1)
    yield Cluster(ledger, settings, job, batch, [item.path for item in items], out)
    ledger.close_connections()


def another_does_it(cluster: Cluster) -> None:
    assert cluster.do(cluster.worker("other"), cluster.batch) == "4 ok, 4 frames"


def another_ends_the_job(cluster: Cluster) -> None:
    another_does_it(cluster)
    cluster.finish()
    assert cluster.state == "done"


def another_splits_it(cluster: Cluster) -> None:
    """As after the death of several workers: the parts have other names than the whole."""
    assert cluster.do(cluster.worker("other", max_attempts=1), cluster.batch) == "2 to follow"
    for half in (cluster.batch.part(0, 2), cluster.batch.part(2, 4)):
        assert cluster.do(cluster.worker("other"), half) == "2 ok, 2 frames"


def it_meets_a_fault(cluster: Cluster) -> None:
    another_does_it(cluster)
    raise EnvironmentFault("cannot write: its directory is gone")


@pytest.mark.parametrize(
    "meanwhile", [another_does_it, another_ends_the_job, another_splits_it, it_meets_a_fault]
)
def test_a_late_attempt_changes_nothing(cluster, meanwhile):
    late = cluster.worker("late", lambda: meanwhile(cluster))

    told = perform(late, "job", cluster.batch.id)

    assert told == "lost"
    assert cluster.state in {"running", "done"}
    cluster.finish()
    assert_whole(cluster.out, dict.fromkeys(cluster.paths, "ok"))
    assert cluster.ledger.snapshot("job").counters["ok"] == 4


def test_a_job_over_whose_end_workers_vanish_pauses_and_is_ended_when_resumed(cluster):
    another_does_it(cluster)
    cluster.ledger.close("job", batches=1)
    cluster.ledger.enqueue_finish("job")
    for _ in range(cluster.settings.max_attempts):
        wait_for(lambda: claimed_by_one_who_vanishes(cluster), "the end of a lease")

    other = cluster.worker("other")
    wait_for(lambda: perform(other, "job", FINISH_ID) != "busy", "the end of the last lease")

    assert cluster.state == "paused"
    assert cluster.ledger.snapshot("job").reason.startswith(
        "3 workers vanished while they wrote the job's totals; most likely memory is short: give"
    )
    assert cluster.ledger.set_state("job", "running", allowed=["paused"])
    cluster.finish()
    assert cluster.state == "done"
    assert_whole(cluster.out, dict.fromkeys(cluster.paths, "ok"))


def assert_another_makes_it_whole(cluster: Cluster) -> None:
    """Resume the job that a sick worker has paused, and let another end it."""
    cluster.ledger.set_state("job", "running", allowed=["paused"])
    another_does_it(cluster)
    cluster.finish()
    assert_whole(cluster.out, dict.fromkeys(cluster.paths, "ok"))


def test_a_commit_whose_folder_cannot_be_synced_keeps_its_shard(cluster, monkeypatch):
    """The part is seen by all, so the next attempt counts it; nobody makes its shard again."""
    sync = files.sync_directory

    def fail(path: str) -> None:
        if path == Layout(str(cluster.out)).manifest:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        sync(path)

    monkeypatch.setattr(files, "sync_directory", fail)
    told = perform(cluster.worker("sick"), "job", cluster.batch.id)
    assert "Input/output error" in told
    monkeypatch.undo()
    assert_another_makes_it_whole(cluster)


def claimed_by_one_who_vanishes(cluster: Cluster) -> bool:
    claim = cluster.ledger.claim("job", FINISH_ID, worker="gone", lease_s=0.01, max_attempts=3)
    return claim.verdict == "claimed"


def test_a_late_attempt_commits_nothing_that_the_next_run_removes(cluster, settings, monkeypatch):
    """Redis has lost the job, so the same command goes on without waiting for who still works."""
    layout, written, may_commit = Layout(str(cluster.out)), threading.Event(), threading.Event()
    told: list[str] = []

    def sleep() -> None:
        written.set()
        may_commit.wait()

    def work() -> None:
        batch_id = cluster.batch.id
        told.append(perform(cluster.worker("late", sleep), "job", batch_id))

    late = threading.Thread(target=work)
    find = leftovers.find

    def find_and_let_it_commit(layout: Layout, **of_run: str) -> list[leftovers.Leftover]:
        found = find(layout, **of_run)
        may_commit.set()
        late.join()
        return found

    monkeypatch.setattr(leftovers, "find", find_and_let_it_commit)
    late.start()
    written.wait()
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
    request = Request(
        root=cluster.job.root, out=str(cluster.out), spec=cluster.job.spec, goal="extract"
    )
    feeder = Feeder(request, settings, SILENT)
    feeder.prepare()
    feeder.close()

    assert told == ["lost"]
    named = {shard for part in layout.parts() for shard in shards_of(part)}
    assert named == set(layout.shard_names())


@pytest.mark.parametrize("is_done", [False, True])
def test_a_commit_of_which_nobody_knows_whether_it_was_done_keeps_its_shard(
    cluster, monkeypatch, *, is_done
):
    """The drive goes away over the link, and does not say either whether the name is there."""
    link, lstat = os.link, os.lstat
    manifest = Layout(str(cluster.out)).manifest

    def away(path: object) -> None:
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)

    def linked(source: str, target: str) -> None:
        if is_done:
            link(source, target)
        monkeypatch.setattr(
            os,
            "lstat",
            lambda path, **more: (
                away(path) if str(path).startswith(manifest) else lstat(path, **more)
            ),
        )
        away(target)

    monkeypatch.setattr(os, "link", linked)
    told = perform(cluster.worker("sick"), "job", cluster.batch.id)
    assert "timed out" in told
    monkeypatch.undo()
    assert_another_makes_it_whole(cluster)
