"""A real cluster to do harm to: fixtures for every test, and what must hold after any harm."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from awaiting import wait_for
from command_line import Shell, poisoned, rows, shell
from made_media import picture, pictures
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.settings import Settings
from shardmill.dataset.layout import Layout
from shardmill.ledger.ledger import Ledger
from shardmill.report.verify import verify

LEASE_S = "2"
KEPT_KEYS = {names.JOBS, names.ACTIVE, names.RECONCILER, names.WORKERS, names.SLOTS}
"""What the ledger holds beside its jobs."""
KEPT_FILES = {
    *("job.json", "classes.json", "summary.json", "files.parquet", "report.html", ".lock"),
    *("shards", "index", "manifest", ".tmp", ".work"),
}


@dataclass
class SharedCluster:
    """A Redis and a worker with two slots, for all tests that do them no harm."""

    server: PrivateRedis
    house: Shell
    worker: subprocess.Popen[bytes]

    def __post_init__(self) -> None:
        self._ledger = Ledger(Settings(redis_url=self.server.url))
        wait_for(self._ledger.workers, "the shared worker")
        self._at_rest = self._files()

    @classmethod
    def start(cls, server: PrivateRedis, house: Shell) -> "SharedCluster":
        """Start the worker; what it logs goes to a file, for a pipe that nobody reads fills up."""
        poisoned(house).environment["SHARDMILL_REDIS_URL"] = server.url
        with (house.scratch / "log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "shardmill", "worker", "--slots", "2"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=house.whole_environment(),
                start_new_session=True,
            )
        return cls(server, house, worker)

    def _files(self) -> set[str]:
        return {path.name for path in self.house.scratch.iterdir()}

    def assert_at_rest(self) -> None:
        """Check that a test has left nothing behind that the next one would meet."""
        assert self.worker.poll() is None, (self.house.scratch / "log").read_text()[-3000:]
        assert self._ledger.queued() == 0
        for job in self._ledger.jobs():
            snapshot = self._ledger.snapshot(job)
            assert snapshot is not None
            assert (snapshot.state, snapshot.inflight) == ("done", 0), snapshot
        assert self._files() == self._at_rest

    def forget_jobs(self) -> None:
        """Remove every job from the ledger."""
        with self.server.client(database=1) as database:
            kept = KEPT_KEYS - {names.JOBS, names.ACTIVE}
            for key in set(database.keys("*")) - kept:
                database.delete(key)

    def close(self) -> None:
        """End the worker."""
        self._ledger.close_connections()
        self.worker.terminate()
        self.worker.wait()


@pytest.fixture(scope="session")
def shared_cluster(redis_server: str) -> Iterator[SharedCluster]:
    """The cluster that tests share whose jobs end well; one a session."""
    server = PrivateRedis(redis_server)
    with shell() as house, closing(server), closing(SharedCluster.start(server, house)) as cluster:
        yield cluster


@pytest.fixture
def there(shared_cluster: SharedCluster) -> Iterator[Shell]:
    """The command line of somebody with a cluster, which is left as it was found."""
    with shell() as there:
        there.environment["SHARDMILL_REDIS_URL"] = shared_cluster.server.url
        yield there
    try:
        shared_cluster.assert_at_rest()
    finally:
        shared_cluster.forget_jobs()


@pytest.fixture
def server(redis_server: str) -> Iterator[PrivateRedis]:
    """A Redis on a loopback port that survives its own death."""
    server = PrivateRedis(redis_server, tcp=True, durable=True)
    yield server
    server.close()


@pytest.fixture
def here(server: PrivateRedis) -> Iterator[Shell]:
    """The command line, with that Redis and short leases."""
    with shell() as here:
        here.environment |= {"SHARDMILL_REDIS_URL": server.url, "SHARDMILL_LEASE_S": LEASE_S}
        yield poisoned(here)


@pytest.fixture
def ledger(server: PrivateRedis) -> Iterator[Ledger]:
    ledger = Ledger(Settings(redis_url=server.url))
    yield ledger
    ledger.close_connections()


@pytest.fixture
def start_worker(here: Shell, ledger: Ledger) -> Callable:
    """Starts workers that wait for work when it returns."""

    def start(name: str, *, slots: int = 1):
        here.environment["SHARDMILL_WORKER_NAME"] = name
        worker = here.start("worker", "--slots", slots)
        wait_for(lambda: name in ledger.workers(), f"worker {name}")
        return worker

    return start


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return pictures(tmp_path / "in", 20)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def assert_whole(
    out: Path, expected: dict[str, str], *, server: PrivateRedis | None = None
) -> None:
    """Check what every finished job owes, whatever happened to it.

    Args:
        out: The output directory.
        expected: Path of each input, to ``ok``, ``skipped`` or its error class.
        server: Where the job ran, if its state is still there.
    """
    assert rows(out) == expected
    assert verify(str(out)).problems == ()
    assert set(os.listdir(out)) <= KEPT_FILES
    for place in (".tmp", ".work"):
        assert not (out / place).exists() or os.listdir(out / place) == []
    layout = Layout(str(out))
    shards = {row["shard"] for part in layout.parts() for row in pq.read_table(part).to_pylist()}
    committed = {path for shard in shards - {None} for path in layout.files_of(shard)}
    there = {str(path) for place in ("shards", "index") for path in (out / place).iterdir()}
    assert there <= committed
    if server is not None:
        assert_counted(out, expected, server)


def assert_counted(out: Path, expected: dict[str, str], server: PrivateRedis) -> None:
    """Check that the ledger counted every input of a job once, and that no batch is left."""
    with server.client(database=1) as database:
        jobs = {names.job_key(job) for job in database.smembers(names.JOBS)}
        told = {place["out"]: place for place in map(database.hgetall, jobs)}[str(out)]
        left = set(database.keys("*"))
    assert told["state"] == "done"
    ends = Counter("failed" if end not in {"ok", "skipped"} else end for end in expected.values())
    counted = {name: int(told.get(name, 0)) for name in ("ok", "failed", "skipped")}
    assert counted == {name: ends[name] for name in counted}
    assert left - KEPT_KEYS == jobs


def gates(directory: Path, count: int, *, stage: str = "extract") -> Path:
    """Fill a folder with pictures that hold their decoder until they are opened."""
    for number in range(count):
        picture(directory / f"gate@{stage}-{number}.png", seed=number)
    return directory


def reached(directory: Path) -> set[str]:
    """Return the names of the gates that a decoder has come to."""
    return {path.stem for path in directory.glob("gate@*.png.reached")}


def open_gates(directory: Path) -> None:
    """Let decoders pass all gates of a folder, now and later."""
    (directory / "gates.open").touch()


def names_of(directory: Path) -> set[str]:
    """Return the names of the pictures in a folder."""
    return {path.name for path in directory.glob("*.png")}
