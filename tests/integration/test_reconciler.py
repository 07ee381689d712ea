"""What one look of the reconciler costs does not grow with the jobs that Redis remembers."""

import time
from contextlib import closing

import pytest
from msgspec.structs import replace

from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.batch import Batch
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.ledger import SHOWN_S, Ledger
from shardmill_worker.execution.attempt import Worker
from shardmill_worker.metrics import LedgerCollector
from shardmill_worker.service.reconciler import Reconciler

JOB = Job(name="running", root="/data", out="/out", spec=Spec(), inputs=1)
REMEMBERED = 1000


@pytest.fixture
def server(redis_server):
    with closing(PrivateRedis(redis_server)) as server:
        yield server


@pytest.fixture
def ledger(server):
    ledger = Ledger(Settings(redis_url=server.url))
    yield ledger
    ledger.close_connections()


def remember(server: PrivateRedis, ledger: Ledger, *, ended_before_s: float) -> None:
    """Open jobs and cancel them, at a time before now."""
    ended_ms = round((time.time() - ended_before_s) * 1000)
    with server.client(database=1) as database:
        for number in range(REMEMBERED):
            name = f"old-{number}"
            ledger.open(replace(JOB, name=name), {}, run=ledger.new_run())
            assert ledger.set_state(name, "cancelled", allowed=["running"])
            database.hset(names.job_key(name), "ended_ms", ended_ms)


class Looks:
    """A reconciler that looks when it is asked to, and the commands that a look costs."""

    def __init__(self, server: PrivateRedis, ledger: Ledger) -> None:
        self.sent: list[str] = []
        self._server = server
        worker = Worker(
            name="one",
            settings=Settings(redis_url=server.url),
            ledger=ledger,
            decoders=None,
            publish=lambda job, batches: self.sent.extend(batch.id for batch in batches),
            tell=lambda title, text: None,
        )
        self._reconciler = Reconciler(worker)
        self._reconciler._look()  # the first one lists all jobs

    def commands(self) -> int:
        """Look once more; return how many commands Redis carried out, those of scripts included."""
        with self._server.client() as client:
            client.config_resetstat()
            self._reconciler._look()
            stats = client.info("commandstats")
        return sum(told["calls"] for name, told in stats.items() if "config" not in name)


def series(ledger: Ledger) -> int:
    """Return how many numbers Prometheus reads."""
    return sum(len(metric.samples) for metric in LedgerCollector(ledger).collect())


def test_remembered_jobs_cost_a_look_no_command_and_prometheus_no_series(server, ledger):
    ledger.open(JOB, {}, run=ledger.new_run())
    looks = Looks(server, ledger)
    alone, numbers = looks.commands(), series(ledger)

    remember(server, ledger, ended_before_s=2 * SHOWN_S)
    looks.commands()  # takes them off the list of the active

    assert looks.commands() == alone
    assert series(ledger) == numbers
    assert len(ledger.jobs()) == REMEMBERED + 1


def test_jobs_that_have_just_ended_cost_a_look_one_script(server, ledger):
    """Three commands of the script for each: nothing of them is swept or drained."""
    ledger.open(JOB, {}, run=ledger.new_run())
    looks = Looks(server, ledger)
    alone = looks.commands()

    remember(server, ledger, ended_before_s=0)

    assert looks.commands() <= alone + 3 * REMEMBERED + 5


def test_a_lost_message_is_sent_again_among_remembered_jobs(server, ledger):
    remember(server, ledger, ended_before_s=2 * SHOWN_S)
    ledger.open(JOB, {}, run=ledger.new_run())
    looks = Looks(server, ledger)
    batch = Batch(id="b1", stage="probe", table="files-0a1b2c3d", end=1)
    ledger.reserve(JOB.name, batch, window=9, number=1)
    with server.client(database=1) as database:
        database.zadd(names.waiting_key(JOB.name), {"b1": 0})

    looks.commands()

    assert looks.sent == ["b1"]
