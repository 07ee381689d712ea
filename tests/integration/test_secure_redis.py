"""A cluster over TLS, as a Redis user who may do no more than shardmill needs."""

import hashlib
import re
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from awaiting import wait_for
from cluster import assert_whole
from private_redis import PrivateRedis, free_port
from shardmill.contract.settings import Settings
from source_tree import ROOT

PASSWORD = "p@ss/w:rd"
SIZE = ("--size", "16x12")
ADMIN = "user admin on >admin ~* &* +@all"


def users(place: Path) -> Path:
    """Write ``ops/users.acl`` as ops/prepare.sh does, and somebody who may look at the log."""
    lines = (ROOT / "ops" / "users.acl").read_text().splitlines()
    text = "\n".join([*(line for line in lines if not line.startswith("#")), ADMIN])
    file = place / "users.acl"
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    file.write_text(text.replace("{PASSWORD_SHA256}", digest) + "\n")
    return file


class SecureRedis(PrivateRedis):
    """Speaks TLS on a loopback port, with a certificate of an authority of its own."""

    def __init__(self, program: str, place: Path) -> None:
        self.port, self.ca = free_port(), place / "ca.crt"
        subprocess.run([ROOT / "ops" / "certificate.sh", "127.0.0.1", place], check=True)
        self._acl = users(place)
        super().__init__(
            program,
            tcp=True,
            durable=True,
            options=(
                *("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"),
                *("--tls-cert-file", place / "redis.crt", "--tls-key-file", place / "redis.key"),
                *("--tls-ca-cert-file", self.ca, "--aclfile", self._acl),
            ),
        )

    def url_of(self, user: str) -> str:
        return f"rediss://{user}@127.0.0.1:{self.port}?ssl_ca_certs={self.ca}"

    def client(self, *, database: int = 0) -> "redis.Redis":
        return redis.Redis.from_url(self.url_of("admin:admin"), db=database, decode_responses=True)

    def refusals(self) -> list[dict]:
        """Return what the users were refused."""
        with self.client() as client:
            return client.acl_log()


@pytest.fixture
def server(redis_server, openssl, tmp_path):
    """Stands in for the plain server of the other tests."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    server = SecureRedis(redis_server, tmp_path)
    server.url = server.url_of("shardmill")
    yield server
    server.close()


@pytest.fixture
def ledger(server, tmp_path):
    from shardmill.ledger.ledger import Ledger

    ledger = Ledger(Settings(redis_url=server.url, redis_password_file=str(tmp_path / "password")))
    yield ledger
    ledger.close_connections()


@pytest.fixture
def here(here, tmp_path):
    here.environment["SHARDMILL_REDIS_PASSWORD_FILE"] = str(tmp_path / "password")
    return here


def test_every_command_of_the_ledgers_scripts_is_allowed():
    scripts = (ROOT / "producer" / "shardmill" / "ledger").glob("*.lua")
    called = {
        word.lower()
        for script in scripts
        for word in re.findall(r"redis\.call\(\s*['\"](\w+)", script.read_text())
    }
    (rights,) = re.findall(
        r"^user shardmill .*$", (ROOT / "ops" / "users.acl").read_text(), re.MULTILINE
    )

    assert len(called) > 15
    assert called - {word.removeprefix("+") for word in rights.split()} == set()


def test_a_job_needs_no_right_that_its_user_has_not(here, server, start_worker, media, out):
    (media / "broken.mp4").write_bytes(b"\0" * 5000)
    worker, other = start_worker("one"), start_worker("two")
    asked = here.end(here.start("-A", "shardmill_worker.app", "inspect", "ping", module="celery"))
    assert "2 nodes online" in asked.out

    done = here.run("submit", media, "--out", out, *SIZE, "--wait")

    assert (done.code, done.err.count("shardmill: ")) == (3, done.err.count("\n"))
    assert here.run("status", out, "--json").json["ok"] == 20
    other.kill()
    worker.send_signal(signal.SIGTERM)
    assert here.end(worker).code == 0
    start_worker("three")
    again = here.run("submit", media, "--out", out, *SIZE, "--wait")
    assert again.code == 3
    assert server.refusals() == []


def test_a_restart_loses_nothing_though_the_default_user_is_off(
    here, server, start_worker, media, out
):
    """Redis loads its file as its default user, and skips what that one has no right to."""
    assert here.run("submit", media, "--out", out, *SIZE).code == 0
    with server.client(database=1) as database:
        before = {key: database.type(key) for key in database.keys("*:batch:*")}
    assert before

    server.kill()
    server.start()

    with server.client(database=1) as database:
        assert {key: database.type(key) for key in database.keys("*:batch:*")} == before
    start_worker("one")
    wait_for((out / "summary.json").exists, "the end of the job")
    assert_whole(out, dict.fromkeys((path.name for path in media.iterdir()), "ok"))


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("CONFIG", "GET", "dir"),
        ("KEYS", "*"),
        ("SAVE",),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("EVAL", "return 1", "0"),
        ("MODULE", "LIST"),
        ("ACL", "LIST"),
        ("SET", "elsewhere", "1"),
        ("PUBLISH", "elsewhere", "1"),
        ("SLAVEOF", "NO", "ONE"),
        ("SHUTDOWN", "NOSAVE"),
    ],
    ids=" ".join,
)
def test_what_the_user_may_not_do(server, command):
    url = Settings(
        redis_url=server.url, redis_password_file=str(server.ca.parent / "password")
    ).redis_url
    with redis.Redis.from_url(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


@pytest.fixture
def user(server):
    """A client of the user, who gives up waiting for an answer before Redis would."""
    settings = Settings(
        redis_url=server.url, redis_password_file=str(server.ca.parent / "password")
    )
    with redis.Redis.from_url(
        settings.redis_url, socket_timeout=1, retry=Retry(NoBackoff(), 0)
    ) as client:
        yield client


def answer_of(user: "redis.Redis") -> str:
    """Return the first word that Redis answers to a ping; nothing if it is silent."""
    try:
        return "PONG" if user.ping() else ""
    except redis.ResponseError as error:
        return str(error).split()[0]
    except redis.TimeoutError:
        return ""


def run_endless(server: SecureRedis, user: "redis.Redis", text: str) -> None:
    """Load a script that does not end and run it, until Redis answers nobody else."""
    with server.client() as admin:
        admin.config_set("lua-time-limit", 100)
    digest = user.script_load(text)
    with pytest.raises(redis.TimeoutError):
        user.evalsha(digest, 1, "shardmill:x")
    wait_for(lambda: answer_of(user) == "BUSY", "a Redis that is busy with the script")


def test_an_endless_script_of_somebody_with_the_password_can_be_ended(server, user):
    """The user may load any script; docs/threats.md says so, and docs/runbook.md what to do."""
    run_endless(server, user, "while true do redis.call('EXISTS', KEYS[1]) end")

    user.script_kill()

    wait_for(lambda: answer_of(user) == "PONG", "the end of the script")


def test_a_killed_redis_takes_nothing_over_from_an_endless_script_that_has_written(server, user):
    """It cannot be ended alone; what it wrote is in no file, and what was there before is."""
    user.set("shardmill:before", "there")
    run_endless(server, user, "redis.call('SET', KEYS[1], 'x') while true do end")
    with pytest.raises(redis.ResponseError, match="UNKILLABLE"):
        user.script_kill()

    server.kill()
    server.start()

    assert (user.get("shardmill:before"), user.get("shardmill:x")) == (b"there", None)


def test_nobody_without_a_name(server):
    url = server.url.replace("shardmill@", "")
    with redis.Redis.from_url(url) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_a_certificate_that_nobody_vouches_for_is_refused(here, server, media, out):
    """Both clients look at it: the ledger's, and the queue's, which by itself would not."""
    here.environment["SHARDMILL_REDIS_URL"] = url = server.url.partition("?")[0]

    refused = here.run("submit", media, "--out", out, *SIZE)

    assert refused.code == 1
    assert "certificate verify failed" in refused.only_sentence
    with Connection(Settings(redis_url=url).broker_url) as queue:
        assert queue.ssl["ssl_cert_reqs"] is ssl.CERT_REQUIRED
        with pytest.raises(OperationalError, match="certificate verify failed"):
            queue.ensure_connection(max_retries=1)
