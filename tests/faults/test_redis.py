"""A job survives whatever happens to Redis, and counts every file once."""

import hashlib
import os
import threading
import time
from importlib.resources import files as package_files
from pathlib import Path
from urllib.parse import urlsplit

from awaiting import wait_for
from cluster import assert_whole
from command_line import poison_path
from lossy_proxy import LossyProxy
from made_media import picture, pictures
from shardmill.ledger.client import ANSWER_S
from shardmill.ledger.telemetry import Live
from shardmill_worker.execution.lease import Lease

SIZE = ("--size", "16x12")
HERE = Path(__file__).parent


def slow_media(folder: Path, count: int) -> Path:
    """Pictures, so many of which take a second each."""
    pictures(folder, 20)
    for number in range(count):
        picture(folder / f"slow@extract-{number}.png", seed=100 + number)
    return folder


def all_ok(media: Path) -> dict[str, str]:
    return {path.name: "ok" for path in media.iterdir()}


def busy(out: Path) -> bool:
    return (out / ".tmp").is_dir() and bool(os.listdir(out / ".tmp"))


def test_redis_may_die_five_times(here, server, start_worker, tmp_path, out):
    """Its log brings its memory back; producer and workers wait for it."""
    media = slow_media(tmp_path / "in", 8)
    workers = [start_worker("one"), start_worker("two")]
    job = here.start("submit", media, "--out", out, *SIZE, "--wait", "--json")
    wait_for(lambda: busy(out), "work")

    for _ in range(5):
        server.kill()
        server.start()
        wait_for(lambda: server.clients("shardmill-ledger"), "whoever is back")

    done = here.end(job)
    assert done.code == 0, done.err
    assert done.json["ok"] == 28
    assert [worker.poll() for worker in workers] == [None, None]
    assert_whole(out, all_ok(media), server=server)


def test_redis_may_lose_everything(here, server, start_worker, tmp_path, out):
    """What is told is the truth: the job is lost there, and the same command goes on from OUT."""
    media = slow_media(tmp_path / "in", 4)
    start_worker("one")
    start_worker("two")
    command = ("submit", media, "--out", out, *SIZE, "--wait")
    job = here.start(*command)
    wait_for(lambda: list((out / "manifest").glob("part-*")) and busy(out), "some of the work")

    with server.client() as client:
        client.flushall()

    told = here.end(job)
    assert told.code == 1
    assert "run the same command again" in told.err.splitlines()[-1]
    again = here.run(*command, "--json")
    assert again.code == 0, again.err
    assert again.json["ok"] == 24
    assert_whole(out, all_ok(media), server=server)


def test_connections_may_be_cut_at_any_time(here, server, start_worker, tmp_path, out):
    media = slow_media(tmp_path / "in", 4)
    worker = start_worker("one", slots=2)
    job = here.start("submit", media, "--out", out, *SIZE, "--wait")
    wait_for(lambda: busy(out), "work")

    with server.client() as client:
        for _ in range(10):
            client.client_kill_filter(_type="normal", skipme=True)
            wait_for(lambda: server.clients("shardmill-ledger"), "whoever is back")

    assert here.end(job).code == 0
    assert worker.poll() is None
    assert_whole(out, all_ok(media), server=server)


def test_redis_may_be_full_for_a_while(here, server, start_worker, tmp_path, out):
    """Running work ends, nothing new begins, nobody dies."""
    media = slow_media(tmp_path / "in", 4)
    here.environment["SHARDMILL_WINDOW"] = "2"
    workers = [start_worker("one"), start_worker("two")]
    job = here.start("submit", media, "--out", out, *SIZE, "--wait")
    wait_for(lambda: busy(out), "work")

    with server.client() as client:
        client.config_set("maxmemory", 1)
        refused = wait_for(lambda: server.refused() >= 20 and server.refused(), "refusals")
        client.config_set("maxmemory", 0)

    assert refused
    done = here.end(job)
    assert done.code == 0, done.err
    assert [worker.poll() for worker in workers] == [None, None]
    assert_whole(out, all_ok(media), server=server)


SCRIPTS = (
    "reserve",
    "claim",
    "commit",
    "heartbeat",
    "release",
    "enqueue_finish",
    "requeue_expired",
    "close",
    "open",
)


def test_answers_may_be_lost_after_the_command_was_done(
    here, server, start_worker, monkeypatch, tmp_path, out
):
    """Of each script every third answer: the call is applied twice, and counted once."""
    media = slow_media(tmp_path / "in", 2)
    digests = {
        hashlib.sha1(package_files("shardmill.ledger").joinpath(f"{n}.lua").read_bytes())
        .hexdigest()
        .encode(): n
        for n in SCRIPTS
    }
    seen: dict[str, int] = dict.fromkeys(SCRIPTS, 0)

    def lose(sent: bytes) -> bool:
        name = next((n for digest, n in digests.items() if digest in sent), None)
        if name is None:
            return False
        seen[name] += 1
        return seen[name] % 3 == 1

    with LossyProxy(urlsplit(server.url).port, lose) as proxy:
        here.environment["SHARDMILL_REDIS_URL"] = f"redis://127.0.0.1:{proxy.port}"
        start_worker("one")
        start_worker("two")

        done = here.run("submit", media, "--out", out, *SIZE, "--wait", "--json")

        assert done.code == 0, done.err
        assert done.json["ok"] == 22
        assert proxy.lost >= 10
    assert all(seen[name] >= 2 for name in ("reserve", "claim", "commit", "enqueue_finish", "open"))
    assert_whole(out, all_ok(media), server=server)


def test_a_slot_watches_its_decoder_while_redis_does_not_answer(server, ledger):
    """A renewal goes its own way; the slot has the last answer at once."""
    lease = Lease(ledger, "some-job", "b1", fence=1, lease_s=1, tell=print)
    ledger.jobs()
    server.freeze()
    began_s = time.monotonic()

    answers = [lease.heartbeat(Live()) for _ in range(100)]

    assert time.monotonic() - began_s < ANSWER_S / 2
    assert answers == ["held"] * 100
    assert sum(thread.name == "lease" for thread in threading.enumerate()) == 1
    server.thaw()
    wait_for(lambda: lease.heartbeat(Live()) == "lost", "the answer that there is no such batch")


def test_a_worker_whose_clock_is_an_hour_ahead_takes_nothing_away(
    here, server, ledger, start_worker, tmp_path, out
):
    """Leases, messages and the list of workers go by the clock of Redis."""
    media = slow_media(tmp_path / "in", 6)
    here.environment["PYTHONPATH"] = os.pathsep.join([str(HERE / "clock_ahead"), poison_path()])
    start_worker("ahead")
    here.environment["PYTHONPATH"] = poison_path()
    start_worker("right")
    job = here.start("submit", media, "--out", out, *SIZE, "--wait")
    wait_for(lambda: busy(out), "work")
    assert set(ledger.workers()) == {"ahead", "right"}

    assert here.end(job).code == 0

    assert_whole(out, all_ok(media), server=server)
    assert set(ledger.workers()) == {"ahead", "right"}


def test_after_a_power_cut_a_claim_that_redis_forgot_meets_nothing(
    here, server, start_worker, tmp_path, out
):
    """Redis comes back without its last second: the fence of the lost claim is given out again."""
    media = slow_media(tmp_path / "in", 1)
    command = ("submit", media, "--out", out, *SIZE)
    assert here.run(*command).code == 0
    with server.client(database=1) as database, server.client() as queues:
        kept = [
            (client, {key: client.dump(key) for key in client.keys("*")})
            for client in (database, queues)
        ]
        worker = start_worker("one")
        wait_for(lambda: busy(out), "an attempt at work")
        worker.kill()
        worker.wait()
        wait_for(lambda: len(here.processes()) == 0, "its decoders to end")
        for client, dumped in kept:
            client.flushdb()
            for key, value in dumped.items():
                client.restore(key, 0, value)
    assert busy(out)  # what the dead attempt was writing

    start_worker("two")

    assert here.run(*command, "--wait").code == 0
    assert_whole(out, all_ok(media), server=server)


def test_who_waits_hears_that_redis_went_back_behind_what_was_sent(
    here, server, start_worker, tmp_path, out
):
    """Nobody would send the rest: the producer has done so, and Redis knows nothing of it."""
    media = slow_media(tmp_path / "in", 2)
    command = ("submit", media, "--out", out, *SIZE, "--wait")
    job = here.start(*command)
    with server.client(database=1) as database:
        sent = wait_for(
            lambda: [
                key
                for key in database.keys("shardmill:*:job")
                if database.hget(key, "enumerated") == "1"
            ],
            "everything to be sent",
        )
        database.hdel(sent[0], "enumerated", "reserved")
        for key in database.keys("shardmill:*:waiting"):
            database.delete(key)

    told = here.end(job)

    assert told.code == 1
    assert "Redis has lost a part of job" in told.err.splitlines()[-1]
    assert "run the same command again" in told.err.splitlines()[-1]
    start_worker("one")
    assert here.run(*command).code == 0
    assert_whole(out, all_ok(media), server=server)


def test_who_waits_hears_that_redis_shows_an_earlier_run(here, server, start_worker, tmp_path, out):
    media = slow_media(tmp_path / "in", 1)
    start_worker("one")
    command = ("submit", media, "--out", out, *SIZE, "--wait")
    assert here.run(*command).code == 0
    with server.client(database=1) as database:
        (key,) = database.keys("shardmill:*:job")
        done = database.hgetall(key)
        picture(media / "slow@extract-new.png", seed=7)
        job = here.start(*command)
        wait_for(lambda: database.hget(key, "run") != done["run"], "the job to be opened again")
        database.hset(key, mapping=done)

    told = here.end(job)

    assert told.code == 1
    assert "Redis has lost a part of job" in told.err.splitlines()[-1]
    assert here.run(*command).code == 0
    assert_whole(out, all_ok(media), server=server)
