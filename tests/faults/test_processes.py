"""Whichever process dies, freezes or is told to end, and at whatever step: nothing is lost."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise

import pyarrow.parquet as pq
import pytest

import processes
from awaiting import wait_for
from cluster import KEPT_KEYS, LEASE_S, assert_whole, gates, names_of, open_gates, reached
from command_line import Done, Shell, poisoned, rows, shell
from made_media import picture, pictures
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.settings import Settings
from shardmill.dataset.layout import Layout
from shardmill.ledger.ledger import Ledger
from shardmill.report.verify import verify

pytestmark = pytest.mark.needs_redis
SIZE = ("--size", "16x12")
KILLED = -signal.SIGKILL


def end_doomed(here: Shell, step: str, *arguments: object) -> Done:
    """Run a command that dies at a step."""
    here.environment["TEST_DIE"] = step
    doomed = here.start(*arguments)
    del here.environment["TEST_DIE"]
    return here.end(doomed)


def wait_until_done(ledger: Ledger, job: str) -> None:
    wait_for(lambda: ledger.snapshot(job).state == "done", "the end of the job")


def held_by(server: PrivateRedis, job: str, worker: str) -> set[str]:
    """Return the batches that a worker holds a lease of."""
    with server.client(database=1) as database:
        leased = database.zrange(names.lease_key(job), 0, -1)
        owners = {batch: database.hget(names.batch_key(job, batch), "owner") for batch in leased}
    return {batch for batch, owner in owners.items() if owner and owner.startswith(f"{worker}/")}


def decoders_of(here: Shell, worker: int) -> list[int]:
    """Return the children of a worker, the fork server among them, and theirs."""
    parents = {pid: processes.parent(pid) for pid in here.processes()}
    children = [pid for pid, parent in parents.items() if parent == worker]
    return children + [pid for pid, parent in parents.items() if parent in children]


WORKER_STEPS = [
    "after shardmill.ledger.ledger:Ledger.claim",
    "after shardmill_worker.execution.attempt_dir:AttemptDir.enter",
    "before shardmill_worker.execution.stage:Stage._commit",
    "after shardmill_worker.execution.stage:Stage._commit",
    "after shardmill_worker.execution.lease:Lease.commit",
    "before shardmill_worker.execution.stage:finish",
    "after shardmill_worker.execution.stage:finish",
]
"""Seven deaths: too few to make any file look guilty, which takes three over it alone."""
LAST_STEPS = [
    "before shardmill.report.summary:write_files",
    "before shardmill.report.summary:write_json",
    "after shardmill.report.summary:finish",
]
"""Steps of a decoder that writes the results of a job."""


def test_workers_may_die_at_each_of_their_steps(here, server, ledger, start_worker, media, out):
    (media / "broken.png").write_bytes(b"\0" * 500)  # a row that needs no shard
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()

    for step in WORKER_STEPS:
        assert end_doomed(here, step, "worker", "--slots", 1).code == KILLED, step
    start_worker("survivor")

    wait_until_done(ledger, job)
    expected = dict.fromkeys(names_of(media), "ok") | {"broken.png": "corrupt"}
    assert_whole(out, expected, server=server)


def test_decoders_may_die_at_each_step_of_the_end_of_a_job(
    here, server, ledger, start_worker, media, out
):
    """The lease would outlast the test: whoever waits hears of the death by itself."""
    here.environment["SHARDMILL_LEASE_S"] = "600"
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()

    for step in LAST_STEPS:
        here.environment["TEST_DECODER_DIE"] = step
        worker = start_worker("one")
        wait_for(lambda: ledger.snapshot(job).state == "paused", f"the pause: {step}")
        assert ledger.snapshot(job).reason.startswith(
            "one: cannot write the job's totals: the decoder was ended by SIGKILL; most likely "
            "memory is short: give the process more memory"
        )
        watched = here.run("watch", out, "--json")
        assert (watched.code, watched.json["state"]) == (4, "paused")
        worker.terminate()
        assert here.end(worker).code == 0
        assert here.run("resume", out).code == 0
    del here.environment["TEST_DECODER_DIE"]
    start_worker("survivor")

    wait_until_done(ledger, job)
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


def test_workers_killed_again_and_again_cost_a_lease_each(
    here, server, ledger, start_worker, media, out
):
    gates(media, 8)  # nobody comes to the end of them before the last has died
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    workers = {"w0": start_worker("w0")}

    for victim, successor in pairwise(f"w{number}" for number in range(4)):
        workers[successor] = start_worker(successor)
        wait_for(lambda victim=victim: held_by(server, job, victim), f"work of {victim}")
        workers[victim].kill()
        workers[victim].communicate()
        with server.client(database=1) as database:
            seconds, microseconds = database.time()
            now_ms = seconds * 1000 + microseconds // 1000
            ends_ms = dict(database.zrange(names.lease_key(job), 0, -1, withscores=True))
        held = held_by(server, job, victim) & ends_ms.keys()
        assert all(ends_ms[batch] <= now_ms + float(LEASE_S) * 1000 for batch in held)

    open_gates(media)
    wait_until_done(ledger, job)
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


def test_work_longer_than_a_lease_is_given_to_nobody_else(
    here, server, ledger, start_worker, tmp_path, out
):
    here.environment["SHARDMILL_LEASE_S"] = "4"  # renewed every second: room for a slow machine
    media = gates(tmp_path / "in", 1)
    start_worker("one")
    start_worker("two")
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    wait_for(lambda: reached(media), "a file in work")
    with server.client(database=1) as database:
        (batch,) = database.zrange(names.lease_key(job), 0, -1)
        first_ms = database.zscore(names.lease_key(job), batch)
        wait_for(
            lambda: database.zscore(names.lease_key(job), batch) > first_ms + 5000,
            "more than one lease of work",
        )
        claims = database.hget(names.batch_key(job, batch), "fence")

    open_gates(media)

    wait_until_done(ledger, job)
    assert int(claims) % 2**20 == 1  # the upper bits are the run
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


@pytest.mark.parametrize("frozen", ["the worker alone", "the worker and its decoders"])
def test_a_worker_that_slept_through_its_lease_leaves_nothing(
    here, server, ledger, start_worker, tmp_path, out, *, frozen
):
    media = gates(tmp_path / "in", 6)
    sleeper = start_worker("sleeper")
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    wait_for(lambda: reached(media), "a file in work")
    asleep = [sleeper.pid]
    if frozen == "the worker and its decoders":
        asleep += decoders_of(here, sleeper.pid)
        assert len(asleep) >= 3, "worker, fork server, decoder"
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    start_worker("other")
    open_gates(media)
    wait_until_done(ledger, job)
    before = sorted(path for path in out.rglob("*") if path.is_file())

    for pid in asleep:
        os.kill(pid, signal.SIGCONT)

    told = iter(sleeper.stderr)
    assert any(line.rstrip().endswith(": lost") for line in told), "until it has noticed"
    assert sorted(path for path in out.rglob("*") if path.is_file()) == before
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)
    table = pq.read_table(out / "files.parquet", columns=["worker"])
    assert set(table.column("worker").to_pylist()) == {"other"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_worker_told_to_end_under_load_gives_its_work_back_uncharged(
    here, server, ledger, start_worker, tmp_path, out, *, number
):
    media = gates(tmp_path / "in", 8)
    worker = start_worker("one", slots=2)
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    wait_for(lambda: len(held_by(server, job, "one")) == len(reached(media)) == 2, "both slots")
    held = held_by(server, job, "one")

    told_s = time.monotonic()
    worker.send_signal(number)
    ended = here.end(worker)

    assert ended.code == {signal.SIGTERM: 0, signal.SIGINT: 1}[number]  # Celery's own codes
    assert time.monotonic() - told_s < Settings().grace_s
    here.wait_until_all_are_gone()
    with server.client(database=1) as database:
        charged = {database.hget(names.batch_key(job, batch), "attempts") for batch in held}
    assert charged == {"0"}
    assert (ledger.snapshot(job).leased, ledger.workers()) == (0, [])
    assert os.listdir(out / ".tmp") == []
    open_gates(media)
    start_worker("two")
    wait_until_done(ledger, job)
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


def test_a_job_cancelled_at_half_stops_within_a_lease_and_goes_on_when_told(
    here, server, ledger, start_worker, media, out
):
    """The files behind the gates are the other half: nobody opens them before the end."""
    gates(media, 20)
    start_worker("one", slots=6)
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    wait_for(lambda: len(reached(media)) == 6, "a gate in every slot")

    ledger.set_state(job, "cancelled", allowed=["running"])

    def keys() -> set[str]:
        with server.client(database=1) as database:
            return set(database.keys("*"))

    wait_for(lambda: keys() <= KEPT_KEYS | {names.job_key(job)}, "the end of all batches")
    assert os.listdir(out / ".tmp") == []
    done = rows(out)
    assert len(reached(media)) == 6, "nothing was begun after the cancellation"
    assert {p.wrong for p in verify(str(out)).problems} == {
        f"has no row for {40 - len(done)} of 40 inputs"
    }
    open_gates(media)
    assert here.run("submit", media, "--out", out, *SIZE, "--wait").code == 0
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)


POISON = {
    "segv@probe.png": "crash",
    "segv@extract.png": "crash",
    "exit7@extract.png": "crash",
    "hang@probe.png": "timeout",
    "hang@extract.png": "timeout",
    "grow@extract.png": "memory",
    "fail@extract.png": "internal",
    "flood@probe.png": "ok",
    "flood@extract.png": "ok",
    "frail@probe.png": "ok",
    "frail@extract.png": "ok",
}


def test_poisonous_files_cost_only_themselves(here, server, start_worker, tmp_path, out):
    """Forty-eight files go in batches of four, so each poisonous one has innocent neighbours."""
    media = pictures(tmp_path / "in", 37)
    for seed, name in enumerate(POISON):
        picture(media / name, seed=100 + seed)
    worker = start_worker("one", slots=2)

    limits = ("--item-timeout", "2", "--item-memory", "600MB")
    done = here.run("submit", media, "--out", out, *SIZE, *limits, "--wait", "--json")

    assert done.code == 3
    assert done.json["failures"] == {"crash": 3, "internal": 1, "memory": 1, "timeout": 2}
    assert_whole(out, dict.fromkeys(names_of(media), "ok") | POISON, server=server)
    columns = pq.read_table(out / "files.parquet", columns=["path", "attempts"]).to_pylist()
    twice = {row["path"] for row in columns if row["attempts"] > 1}
    assert twice == {n for n, end in POISON.items() if end in ("crash", "timeout", "memory")}
    worker.send_signal(signal.SIGTERM)
    assert len(here.end(worker).err) < 100_000, "a decoder's chatter is in nobody's log"


def test_a_poisonous_file_among_256_costs_one_row(here, server, start_worker, tmp_path, out):
    """4096 files are probed in sixteen batches of 256."""
    media = tmp_path / "in"
    first = picture(media / "0000.png")
    for number in range(1, 4095):
        os.link(first, media / f"{number:04d}.png")
    picture(media / "segv@probe.png")
    start_worker("one", slots=2)

    done = here.run("probe", media, "--out", out, "--json")

    assert (done.code, done.json["ok"], done.json["failed"]) == (3, 4095, 1)
    parts = sorted(pq.read_metadata(part).num_rows for part in Layout(str(out)).parts())
    assert parts == [1, 255, *[256] * 15]
    expected = dict.fromkeys(names_of(media), "ok") | {"segv@probe.png": "crash"}
    assert_whole(out, expected)


@pytest.fixture(scope="module")
def standing(redis_server: str) -> Iterator[tuple[Shell, PrivateRedis]]:
    """A cluster with one worker, for all producers."""
    server = PrivateRedis(redis_server, tcp=True, durable=True)
    with shell() as here:
        poisoned(here).environment |= {
            "SHARDMILL_REDIS_URL": server.url,
            "SHARDMILL_LEASE_S": LEASE_S,
        }
        here.start("worker", "--slots", 1)
        yield here, server
    server.close()


PRODUCER_STEPS = [
    pytest.param("before shardmill.catalog.catalog:Catalog.add", id="it enumerates"),
    pytest.param("before shardmill.dataset.layout:Layout.make", id="it makes OUT"),
    pytest.param("after shardmill.dataset.layout:Layout.make", id="it has made OUT"),
    pytest.param("before shardmill.dataset.job:os.replace", id="it has half written a file"),
    pytest.param("after shardmill.dataset.job:Job.write", id="it has written the job"),
    pytest.param("after shardmill.ledger.ledger:Ledger.open", id="it has opened the job"),
    pytest.param("after shardmill.ledger.ledger:Ledger.reserve", id="it has not yet sent a batch"),
    pytest.param("after shardmill.ledger.messages:send", id="it has sent one batch of many"),
    pytest.param("before shardmill.ledger.ledger:Ledger.close", id="it has not told the end"),
    pytest.param("after shardmill.ledger.ledger:Ledger.close", id="it has told the end"),
]


@pytest.mark.parametrize("step", PRODUCER_STEPS)
def test_a_producer_may_die_when(standing, media, out, step):
    here, server = standing
    command = ("submit", media, "--out", out, *SIZE)
    assert end_doomed(here, step, *command).code == KILLED

    done = here.run(*command, "--wait")

    assert done.code == 0, done.err
    assert_whole(out, dict.fromkeys(names_of(media), "ok"), server=server)
