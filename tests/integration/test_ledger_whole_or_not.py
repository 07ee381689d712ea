"""A transition is applied whole or not at all, whatever numbers and texts come with it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from msgspec.structs import replace

from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.batch import Batch
from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.ledger import Ledger
from shardmill.ledger.telemetry import Live, Telemetry

JOB = "clips"
RUN = "0000000a"
PROBE = Batch(id="b1", stage="probe", table="files-0a1b2c3d", end=1)
MOST = 2**53
"""What Redis's Lua counts without gaps."""


@pytest.fixture(scope="module")
def server(redis_server) -> Iterator[PrivateRedis]:
    with closing(PrivateRedis(redis_server)) as server:
        yield server


@pytest.fixture
def database(server) -> Iterator["redis.Redis"]:
    with server.client(database=1) as client:
        client.flushall()
        yield client


@pytest.fixture
def ledger(server, database) -> Iterator[Ledger]:
    """A job with a batch that is claimed and one that waits."""
    ledger = Ledger(Settings(redis_url=server.url))
    ledger.open(Job(name=JOB, root="/data", out="/out", spec=Spec(), started_s=1e9), {}, run=RUN)
    for number, name in enumerate(("b1", "b2"), start=1):
        ledger.reserve(JOB, replace(PROBE, id=name), window=9, number=number)
    ledger.register_worker("w", slots=1, forget_after_s=60)
    yield ledger
    ledger.close_connections()


def claim(ledger: Ledger, name: str = "b1") -> int:
    return ledger.claim(JOB, name, worker="w", lease_s=60, max_attempts=3).fence


def contents(database: "redis.Redis") -> dict[str, bytes]:
    """Everything in the database, as Redis dumps it."""
    with redis.Redis(connection_pool=database.connection_pool) as client:
        keys = sorted(client.keys("*"))
        return {key: _plain(client, key) for key in keys}


def _plain(client: "redis.Redis", key: str) -> object:
    read = {
        "hash": lambda: client.hgetall(key),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1, withscores=True),
        "list": lambda: client.lrange(key, 0, -1),
        "string": lambda: client.get(key),
    }
    return read[client.type(key)]()


B1 = names.batch_key(JOB, "b1")
SETS = [names.waiting_key(JOB), names.lease_key(JOB)]
BATCH = [names.job_key(JOB), *SETS, names.live_key(JOB), B1]
BESIDE = [names.share_key(JOB), names.failures_key(JOB), names.faults_key(JOB)]
CHILD = [*BATCH, *BESIDE, names.batch_key(JOB, "c")]
IMPOSSIBLE = {
    "commit: fewer counters than told": (
        *("commit", BATCH + BESIDE),
        *("b1", "", 1, "w", 2, 0, "ok", 1),
    ),
    "commit: a counter is text": (
        *("commit", BATCH + BESIDE),
        *("b1", "", 1, "w", 1, 0, "ok", "x"),
    ),
    "commit: a child has no payload": (
        *("commit", CHILD),
        *("b1", "", 1, "w", 1, 0, "ok", 1, "c", "probe"),
    ),
    "commit: a child has no key": (
        *("commit", BATCH + BESIDE),
        *("b1", "", 1, "w", 1, 0, "ok", 1, "c", "probe", "{}"),
    ),
    "commit: a child is in place of a failure": (
        *("commit", CHILD),
        *("b1", "", 1, "w", 1, 1, "ok", 1, "c", "probe", "{}"),
    ),
    "commit: the failures are no number": (
        *("commit", BATCH + BESIDE),
        *("b1", "", 1, "w", 1, "x", "ok", 1),
    ),
    "commit: keep is no number": ("commit", BATCH + BESIDE, "b1", "", "x", "w", 0, 0),
    "claim: the lease is no number": (
        "claim",
        [*BATCH[:4], names.batch_key(JOB, "b2")],
        "b2",
        "w/1",
        "x",
        3,
    ),
    "claim: the attempts are none": (
        "claim",
        [*BATCH[:4], names.batch_key(JOB, "b2")],
        "b2",
        "w/1",
        9,
        "x",
    ),
    "heartbeat: the lease is no number": (
        *("heartbeat", [names.job_key(JOB), names.lease_key(JOB), names.live_key(JOB), B1]),
        *("b1", "FENCE", "x", "[]"),
    ),
    "open: a field has no value": (
        *(
            "open",
            [names.job_key(JOB), names.JOBS, names.ACTIVE, *SETS, names.live_key(JOB), *BESIDE],
        ),
        *(JOB, names.batch_key(JOB, ""), 9, "state"),
    ),
    "open: the limit is no number": (
        *(
            "open",
            [names.job_key(JOB), names.JOBS, names.ACTIVE, *SETS, names.live_key(JOB), *BESIDE],
        ),
        *(JOB, names.batch_key(JOB, ""), "x", "state", "running"),
    ),
    "set_state: keep is no number": (
        *("set_state", [names.job_key(JOB), *BESIDE]),
        *("cancelled", "", "x", "running"),
    ),
    "requeue_expired: the grace is no number": ("requeue_expired", [*BATCH[:4]], 1, "x", 9),
    "requeue_expired: the limit is no number": ("requeue_expired", [*BATCH[:4]], 1, 1, "x"),
    "reserve: the window is no number": (
        *("reserve", [names.job_key(JOB), *SETS, names.batch_key(JOB, "b3")]),
        *("b3", "probe", "{}", "x", 3),
    ),
    "register_worker: the time is no number": (
        "register_worker",
        [names.WORKERS, names.SLOTS],
        "w2",
        "x",
        1,
    ),
    "fault: the time is no number": (
        *("fault", [names.job_key(JOB), names.WORKERS, names.faults_key(JOB)]),
        *("w", "disk", "x"),
    ),
}


@pytest.mark.parametrize("call", IMPOSSIBLE)
def test_a_call_that_cannot_be_done_changes_nothing(ledger, database, *, call):
    fence = str(claim(ledger))
    name, keys, *arguments = IMPOSSIBLE[call]
    before = contents(database)

    with pytest.raises(LedgerUnavailable):
        ledger._run(name, keys, *(fence if each == "FENCE" else each for each in arguments))

    assert contents(database) == before


@pytest.mark.parametrize("amount", [2**62, 2**63, 10**30, -(10**30)])
def test_a_counter_beyond_all_bounds_is_clipped_and_neighbours_come(ledger, *, amount):
    for name in ("b1", "b2"):
        claim(ledger, name)
        ledger.commit(
            JOB,
            name,
            counters={"planned_ms2": amount, "ok": 1},
            children=[replace(PROBE, id=f"{name}c")],
        )

    found = ledger.snapshot(JOB)
    assert found.counters["planned_ms2"] == (MOST if amount > 0 else -MOST)
    assert found.counters["ok"] == 2
    assert found.inflight == 2


def test_a_job_opens_with_counters_beyond_all_bounds(ledger):
    ledger.open(
        Job(name=JOB, root="/data", out="/out", spec=Spec(), started_s=1e9),
        {"frames": 2**70},
        run=RUN,
    )

    assert ledger.snapshot(JOB).counters["frames"] == MOST


def test_a_job_pauses_once_no_worker_can_work_on_it(ledger):
    ledger.register_worker("v", slots=1, forget_after_s=60)

    assert ledger.fault(JOB, worker="w", reason="w: Too many open files") == "noted"
    assert ledger.snapshot(JOB).state == "running"
    assert ledger.fault(JOB, worker="w", reason="w: Too many open files") == "noted"
    assert ledger.fault(JOB, worker="v", reason="v: Stale file handle") == "paused"
    assert (ledger.snapshot(JOB).state, ledger.snapshot(JOB).reason) == (
        "paused",
        "v: Stale file handle",
    )
    assert ledger.fault(JOB, worker="w", reason="late") == "stopped"


def test_a_worker_that_commits_is_well(ledger):
    ledger.register_worker("v", slots=1, forget_after_s=60)
    ledger.fault(JOB, worker="w", reason="w: sick")
    claim(ledger)
    ledger.commit(JOB, "b1", counters={"ok": 1}, children=(), telemetry=Telemetry("w"))

    assert ledger.fault(JOB, worker="v", reason="v: sick") == "noted"


def test_who_resumes_a_job_has_mended_what_was_wrong(ledger, database):
    ledger.register_worker("v", slots=1, forget_after_s=60)
    ledger.fault(JOB, worker="w", reason="w: sick")
    ledger.set_state(JOB, "paused", allowed=["running"])
    ledger.set_state(JOB, "running", allowed=["paused"])

    assert ledger.fault(JOB, worker="v", reason="v: sick") == "noted"
    assert database.ttl(names.faults_key(JOB)) > 0


def test_a_fence_that_a_redis_gives_out_twice_names_two_attempts(ledger, database):
    fields = database.hgetall(B1)
    first = ledger.claim(JOB, "b1", worker="w", lease_s=60, max_attempts=3)
    database.hset(B1, mapping=fields)  # as it was a second ago
    database.zrem(names.lease_key(JOB), "b1")
    database.zadd(names.waiting_key(JOB), {"b1": 0})
    second = ledger.claim(JOB, "b1", worker="w", lease_s=60, max_attempts=3)

    assert first.fence == second.fence
    assert first.attempt != second.attempt
    assert first.attempt.endswith(first.run)
    assert second.attempt.endswith(second.run)
    assert ledger.heartbeat(JOB, "b1", fence=second.fence, lease_s=60, live=Live()) == "held"


def test_a_job_opens_though_an_earlier_opening_left_more_than_a_script_removes(
    ledger, database, monkeypatch
):
    monkeypatch.setattr("shardmill.ledger.ledger.SWEEP_LIMIT", 2)
    for number in range(3, 9):
        ledger.reserve(JOB, replace(PROBE, id=f"b{number}"), window=99, number=number)
    claim(ledger, "b5")

    ledger.open(Job(name=JOB, root="/data", out="/out", spec=Spec(), started_s=1e9), {}, run=RUN)

    assert ledger.snapshot(JOB).inflight == 0
    assert [key for key in database.keys("*") if ":batch:" in key] == []
