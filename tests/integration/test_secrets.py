"""The password of Redis is in nothing that a cluster prints, stores or shows to others."""

import signal
from pathlib import Path

import pytest
import redis

from awaiting import wait_for
from private_redis import PrivateRedis

PASSWORD = "S3C/RET"
ENCODED = "S3C%2FRET"
SIZE = ("--size", "16x12")


class LockedRedis(PrivateRedis):
    """A Redis that lets nobody in without the password."""

    def client(self, *, database: int = 0) -> "redis.Redis":
        return redis.Redis.from_url(self.url, db=database, password=PASSWORD, decode_responses=True)


@pytest.fixture(params=["in the query", "of a socket"])
def server(request, redis_server):
    """Stands in for the plain server of the other tests."""
    is_socket = request.param == "of a socket"
    server = LockedRedis(redis_server, tcp=not is_socket, options=("--requirepass", PASSWORD))
    plain = server.url
    server.url = (
        plain.replace("unix://", f"unix://:{ENCODED}@")
        if is_socket
        else f"{plain}/0?password={ENCODED}"
    )
    yield server
    server.close()


def test_a_whole_job_shows_no_password(here, server, start_worker, media, out):
    worker = start_worker("one")
    producer = here.start("submit", media, "--out", out, *SIZE, "--wait", "--json")
    wait_for((out / ".lock").exists, "the note of the producer")
    note = (out / ".lock").read_text()
    shown = {"note": note, "command lines": "\n".join(here.processes().values())}

    done = here.end(producer)
    for question in ("stats", "conf"):
        asked = here.start("-A", "shardmill_worker.app", "inspect", question, module="celery")
        shown[question] = here.end(asked).out
    lists = here.run("list")
    worker.send_signal(signal.SIGTERM)
    ended = here.end(worker)
    server.kill()
    refused = here.run("submit", media, "--out", Path(f"{out}2"), *SIZE)

    assert done.code == 0
    assert "***@" in refused.only_sentence
    for name, told in {"done": done, "list": lists, "refused": refused, "worker": ended}.items():
        shown[name] = told.out + told.err
    assert "one: OK" in shown["stats"]
    assert [name for name, text in shown.items() if "S3C" in text] == []
    assert [path for path in out.rglob("*") if path.is_file() and b"S3C" in path.read_bytes()] == []
