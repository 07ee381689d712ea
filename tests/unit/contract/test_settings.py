"""Settings come from the environment, are checked once, and show no password."""

import traceback
from types import SimpleNamespace

import pytest
from kombu import Connection
from kombu.transport.redis import Channel
from redis.connection import parse_url

from shardmill.contract import settings as module
from shardmill.contract.errors import UsageError
from shardmill.contract.settings import Settings, window_of


def test_the_environment_decides():
    settings = Settings.from_environment(
        {
            "SHARDMILL_SLOTS": "3",
            "SHARDMILL_LEASE_S": "2.5",
            "SHARDMILL_ROOTS": "/a:/b",
            "PATH": "x",
        }
    )

    assert (settings.slots, settings.lease_s, settings.root_list) == (3, 2.5, ("/a", "/b"))


@pytest.mark.parametrize(("slots", "batches"), [(0, 16), (2, 16), (4, 16), (5, 20), (256, 1024)])
def test_a_window_has_four_batches_a_slot_and_sixteen_at_least(slots, batches):
    assert window_of(slots) == batches


def test_another_process_reads_the_same_settings():
    settings = Settings(redis_url="unix:///run/r.sock?db=2", slots=5, window=9, roots="/a")

    assert Settings.from_environment(settings.environment()) == settings


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("SLOTS", "many", r"SHARDMILL_SLOTS must be a number \(int\), got 'many'"),
        ("SLOTS", "-1", "SHARDMILL_SLOTS must be at least 0"),
        ("WINDOW", "-1", "SHARDMILL_WINDOW must be at least 0"),
        ("LEASE_S", "nan", "SHARDMILL_LEASE_S must be at least 0.1"),
        ("REDIS_URL", "http://x", "SHARDMILL_REDIS_URL must begin with"),
        ("REDIS_URL", "localhost", "SHARDMILL_REDIS_URL must begin with"),
    ],
)
def test_an_impossible_setting_is_named(name, text, message):
    with pytest.raises(UsageError, match=message):
        Settings.from_environment({f"SHARDMILL_{name}": text})


@pytest.mark.parametrize(
    ("url", "broker", "ledger"),
    [
        (
            "redis://h:1/0",
            "redis://h:1/0",
            "redis://h:1/1",
        ),
        (
            "rediss://:secret@h/4",
            "rediss://:secret@h/4?ssl_cert_reqs=required",
            "rediss://:secret@h/5",
        ),
        (
            "rediss://h/0?ssl_ca_certs=/etc/ca.crt",
            "rediss://h/0?ssl_ca_certs=/etc/ca.crt&ssl_cert_reqs=required",
            "rediss://h/1?ssl_ca_certs=/etc/ca.crt",
        ),
        (
            "rediss://h/0?ssl_cert_reqs=none",
            "rediss://h/0?ssl_cert_reqs=none",
            "rediss://h/1?ssl_cert_reqs=none",
        ),
        (
            "unix:///run/r.sock",
            "redis+socket:///run/r.sock?virtual_host=0",
            "unix:///run/r.sock?db=1",
        ),
        (
            "unix:///run/r.sock?db=2",
            "redis+socket:///run/r.sock?virtual_host=2",
            "unix:///run/r.sock?db=3",
        ),
    ],
)
def test_the_ledger_takes_the_database_after_the_queue(url, broker, ledger):
    settings = Settings(redis_url=url)

    assert (settings.broker_url, settings.ledger_url) == (broker, ledger)


def test_a_database_that_is_no_number_is_refused():
    with pytest.raises(UsageError, match="database by number"):
        _ = Settings(redis_url="redis://h/one").ledger_url


SECRET = "S3C/RET"
URLS = {
    "redis://h:1/0": "redis://h:1/0",
    "redis://h": "redis://h/0",
    "redis://:S3C%2FRET@h:1/0": "redis://:***@h:1/0",
    "redis://me:S3C%2FRET@h/3": "redis://me:***@h/3",
    "redis://S3C%2FRET@h/0": "redis://***@h/0",
    "redis://:@h/0": "redis://h/0",
    "redis://h:1/0?password=S3C%2FRET": "redis://:***@h:1/0",
    "redis://h/0?password=S3C/RET": "redis://:***@h/0",
    "redis://h/1?username=me&password=S3C%2FRET&db=2": "redis://me:***@h/2",
    "redis://me:S3C%2FRET@h/0?password=other": "redis://me:***@h/0",
    "redis://me:S3C%2FRET@[::1]:7/0": "redis://me:***@[::1]:7/0",
    "rediss://me:S3C%2FRET@h/4?ssl_ca_certs=/etc/ca.crt": (
        "rediss://me:***@h/4?ssl_ca_certs=/etc/ca.crt"
    ),
    "rediss://h/0?ssl_password=S3C/RET": "rediss://h/0?ssl_password=***",
    "unix:///run/r.sock": "unix:///run/r.sock",
    "unix://me:S3C%2FRET@/run/r.sock?db=2": "unix://me:***@/run/r.sock?db=2",
    "unix:///run/r.sock?password=S3C%2FRET": "unix://:***@/run/r.sock",
}
"""URL to what people see of it."""


@pytest.mark.parametrize(("url", "shown"), URLS.items(), ids=range(len(URLS)))
def test_the_password_is_never_shown(url, shown):
    settings = Settings(redis_url=url)

    assert settings.shown_url == shown
    assert "S3C" not in shown + repr(settings)
    assert Settings(redis_url=shown).shown_url == shown


def of_redis_py(url: str) -> dict:
    """What redis-py takes from a URL: its own defaults filled in, the port and the TLS apart."""
    return {"db": 0} | parse_url(url)


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_the_ledger_is_reached_as_redis_py_reads_the_url_but_in_the_next_database(url):
    asked = of_redis_py(url)

    assert of_redis_py(Settings(redis_url=url).ledger_url) == asked | {"db": asked["db"] + 1}


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_the_queue_is_reached_as_redis_py_reads_the_url(url):
    asked = of_redis_py(url)
    with Connection(Settings(redis_url=url).broker_url) as queue:
        channel = object.__new__(Channel)
        channel.connection = SimpleNamespace(client=queue, default_port=6379)
        reached = channel._connparams()

    names = ("username", "password", "db", "host", "path")
    assert {name: reached.get(name) for name in names} == {name: asked.get(name) for name in names}
    assert reached.get("port") == (None if "path" in asked else asked.get("port", 6379))


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:S3C/RET@h/0",
        "redis://u:S3C#RET@h/0",
        "redis://u:S3C?RET@h/0",
        "redis://u:12/S3CRET@h/0",
        "redis://u:12#S3CRET@h/0",
        "redis://u:12?S3CRET@h/0",
        "redis://u:12?x=S3CRET@h/0",
        "redis://u:[S3CRET@h/0",
        "redis://u:S3C\u2100RET@h/0",
        "redis://h:S3CRET/0",
        "redis://h/S3CRET",
        "redis:S3CRET@h/0",
        "S3CRET@h:1",
        "unix://u:S3C/RET@/run/r.sock",
        "unix://u:12/S3CRET@/run/r.sock",
    ],
)
def test_a_url_with_a_special_character_of_a_password_is_refused_without_showing_it(url):
    with pytest.raises(UsageError) as refusal:
        Settings(redis_url=url)

    shown = "".join(traceback.format_exception(refusal.value))
    assert "S3C" not in shown
    assert "SHARDMILL_REDIS_URL must" in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "text", "broker"),
    [
        ("redis://head:1/0", "s3cret\n", "redis://:s3cret@head:1/0"),
        ("redis://shardmill@head", "s3cret", "redis://shardmill:s3cret@head/0"),
        ("redis://me:old@head/3", "new", "redis://me:new@head/3"),
        ("redis://me@[::1]:7/0", "a/b@c:d", "redis://me:a%2Fb%40c%3Ad@[::1]:7/0"),
    ],
)
def test_a_password_comes_from_its_file(tmp_path, url, text, broker):
    file = tmp_path / "password"
    file.write_text(text)

    settings = Settings(redis_url=url, redis_password_file=str(file))

    assert settings.broker_url == broker
    assert Settings.from_environment(settings.environment()) == settings


def test_a_password_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="REDIS_PASSWORD_FILE must name a readable file, got /"):
        Settings(redis_password_file=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("max 100000\n", 8),
        ("400000 100000\n", 4),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("nonsense", 8),
        (None, 8),
    ],
)
def test_a_container_has_a_slot_for_each_core_that_it_may_use(monkeypatch, tmp_path, text, slots):
    quota = tmp_path / "cpu.max"
    if text is not None:
        quota.write_text(text)
    monkeypatch.setattr(module, "CPU_QUOTA", str(quota))
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    assert Settings().slot_count == slots
