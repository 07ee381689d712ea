"""A real cluster to do harm to: fixtures for every test, and what must hold after any harm."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from awaiting import wait_for
from command_line import Shell, poisoned, rows, shell
from made_media import picture, pictures
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.layout import Layout
from shardmill.contract.settings import Settings
from shardmill.ledger.ledger import Ledger
from shardmill.report.verify import verify

LEASE_S = "2"
KEPT_KEYS = {names.JOBS, names.RECONCILER, names.WORKERS, names.SLOTS}
"""What the ledger holds beside its jobs."""
KEPT_FILES = {
    *("job.json", "classes.json", "summary.json", "files.parquet", "report.html", ".lock"),
    *("shards", "index", "manifest", ".tmp"),
}


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
    assert not (out / ".tmp").exists() or os.listdir(out / ".tmp") == []
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
