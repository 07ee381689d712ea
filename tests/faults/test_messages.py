"""Messages may be lost, doubled, late or hostile: they are hints, and the ledger is the truth."""

import json
import os
import pickle
import signal
from pathlib import Path

import pytest
from celery import Celery

from awaiting import wait_for
from cluster import assert_whole
from command_line import poison_path
from shardmill.contract import names
from shardmill.contract.settings import Settings, celery_configuration

SIZE = ("--size", "16x12")
HERE = Path(__file__).parent
JUNK = {
    "no JSON": b"{",
    "a pickle": pickle.dumps({"task": "shardmill.probe"}),
    "bytes": b"\xff\xfe\x00",
    "another shape": b'{"body": 7}',
    "an empty object": b"{}",
}
HOSTILE = {
    "a path": ["../x", "../../etc/passwd"],
    "numbers": [1, 2],
    "nothing": [],
    "too much": ["a", "b", "c"],
    "a novel": ["a" * 100_000, "b"],
    "an object": [{"__class__": "os.system"}, None],
    "an unknown job": ["nobody-123456", "0123456789abcdef"],
}
TABLE = {"stage": "probe", "table": "inputs-00000-00000000", "rows": [0, 1]}
DAMAGED = {
    "no JSON": "{",
    "a path that leads out": json.dumps(TABLE | {"table": "../../etc/passwd"}),
    "a path from the root": json.dumps(TABLE | {"table": "/etc/passwd"}),
    "a pickle": "\x80\x04\x95",
}


def all_ok(media: Path) -> dict[str, str]:
    return {path.name: "ok" for path in media.iterdir()}


def test_messages_that_all_come_three_times_count_once(here, server, start_worker, media, out):
    here.environment["PYTHONPATH"] = os.pathsep.join([str(HERE / "threefold"), poison_path()])
    job = here.start("submit", media, "--out", out, *SIZE, "--wait", "--json")
    with server.client() as queue:
        wait_for(lambda: queue.llen(names.QUEUES["probe"]) >= 3, "a message and its copies")
    start_worker("one")
    start_worker("two")

    done = here.end(job)

    assert (done.code, done.json["ok"], done.json["clips"]) == (0, 20, 20)
    assert_whole(out, all_ok(media), server=server)


def test_a_message_lost_between_the_queue_and_its_bookkeeping_comes_again(
    here, server, ledger, start_worker, media, out
):
    """BRPOP takes a message out before the worker has noted that it has it."""
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    (job,) = ledger.jobs()
    ledger.set_state(job, "paused", allowed=["running"])  # so that nothing else sends messages
    probe = names.QUEUES["probe"]
    with server.client() as queue:
        message = queue.lindex(probe, 0)
        queue.delete(probe)
        victim = start_worker("victim")

        def taken_by_a_frozen_worker() -> bool:
            wait_for(server.blocked, "a worker that waits for messages")
            os.kill(victim.pid, signal.SIGSTOP)
            queue.lpush(probe, message)
            if queue.llen(probe) == 0:
                return True
            queue.delete(probe)  # its wait had just ended
            os.kill(victim.pid, signal.SIGCONT)
            return False

        wait_for(taken_by_a_frozen_worker, "a message in no list")
        assert queue.hlen("unacked") == 0, "it is noted nowhere"
    victim.kill()
    victim.communicate()
    ledger.set_state(job, "running", allowed=["paused"])
    start_worker("heir")

    wait_for((out / "summary.json").exists, "the end of the job")

    assert_whole(out, all_ok(media))


def test_messages_that_are_lost_are_sent_again(here, server, start_worker, media, out):
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    with server.client() as queue:
        assert queue.delete(names.QUEUES["probe"])
    start_worker("one")

    wait_for((out / "summary.json").exists, "the end of the job")

    assert_whole(out, all_ok(media))


def test_junk_in_the_queue_stops_no_worker(here, server, start_worker, media, out):
    worker = start_worker("one")
    with server.client() as queue:
        for message in JUNK.values():
            queue.lpush(names.QUEUES["probe"], message)
    with Celery("foe", set_as_current=False) as foe:
        foe.config_from_object(celery_configuration(Settings(redis_url=server.url)))
        probe = {"queue": names.QUEUES["probe"]}
        for arguments in HOSTILE.values():
            foe.send_task(names.TASKS["probe"], args=arguments, **probe)
        foe.send_task("os.system", args=["true"], **probe)
        foe.send_task(names.TASKS["probe"], args=[b"\x80"], serializer="pickle", **probe)

    done = here.run("submit", media, "--out", out, *SIZE, "--wait")

    assert done.code == 0, done.err
    assert worker.poll() is None
    assert_whole(out, all_ok(media), server=server)
    worker.send_signal(signal.SIGTERM)
    ended = here.end(worker)
    assert ended.code == 0
    for trace in ("dropped a message that is not JSON", "expected the names of a job and a batch"):
        assert trace in ended.err, "it is logged"


def test_damaged_batches_in_redis_are_dropped_and_told(
    here, server, ledger, start_worker, media, out
):
    """Someone who can write to Redis may stop a job, and nothing else; the command goes on."""
    command = ("submit", media, "--out", out, *SIZE)
    assert here.run(*command).code == 0
    (job,) = ledger.jobs()
    with server.client(database=1) as database:
        batches = database.keys(names.batch_key(job, "*"))
        for batch, payload in zip(batches, DAMAGED.values(), strict=False):
            database.hset(batch, mapping={"payload": payload, "stage": "shutdown"})
    worker = start_worker("one")

    told = wait_for(
        lambda: (status := here.run("status", job, "--json").json)["state"] == "paused" and status,
        "the end of all other batches",
    )

    assert "run the same command again" in told["reason"]
    assert told["ok"] < 20
    again = here.run(*command, "--wait", "--json")
    assert (again.code, again.json["ok"]) == (0, 20)
    assert worker.poll() is None
    assert_whole(out, all_ok(media), server=server)


def test_a_damaged_table_pauses_its_job_and_is_made_again(
    here, server, ledger, start_worker, media, out
):
    """What was asked of the files is in no doubt, so none of them fails for it."""
    command = ("submit", media, "--out", out, *SIZE)
    assert here.run(*command).code == 0
    (job,) = ledger.jobs()
    (table,) = out.glob(".work/*/*.arrow")
    os.truncate(table, table.stat().st_size - 1)
    worker = start_worker("one")

    told = wait_for(
        lambda: (status := here.run("status", job, "--json").json)["state"] == "paused" and status,
        "the pause",
    )

    assert table.name in told["reason"]
    assert told["reason"].endswith("run the same command again")
    assert (told["ok"], told["failed"]) == (0, 0)
    again = here.run(*command, "--wait", "--json")
    assert again.code == 0, again.err
    assert (again.code, again.json["ok"]) == (0, 20)
    assert worker.poll() is None
    assert_whole(out, all_ok(media), server=server)


@pytest.mark.parametrize(
    ("field", "value"), [("spec", '{"size": "so big"}'), ("run", "0"), ("run", "none")]
)
def test_a_damaged_job_in_redis_is_cancelled_and_told(
    here, server, ledger, start_worker, media, out, *, field, value
):
    command = ("submit", media, "--out", out, *SIZE)
    assert here.run(*command).code == 0
    (job,) = ledger.jobs()
    with server.client(database=1) as database:
        database.hset(names.job_key(job), field, value)
    worker = start_worker("one")

    def told() -> dict:
        return here.run("status", job, "--json").json

    wait_for(lambda: told()["state"] == "cancelled", "the end of the job")

    assert "run the same command again" in told()["reason"]
    again = here.run(*command, "--wait", "--json")
    assert (again.code, again.json["ok"]) == (0, 20)
    assert worker.poll() is None
    assert_whole(out, all_ok(media), server=server)
