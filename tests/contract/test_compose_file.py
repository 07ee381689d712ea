"""docker-compose.yml needs no .env: .env.example tells the very values that hold without one."""

import re

import pytest

from source_tree import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
WORKER = (ROOT / "ops" / "worker.yml").read_text()
OVERLAY_ONLY = {"SHARDMILL_TLS", "SHARDMILL_REDIS_PORT"}


def defaults(text: str) -> dict[str, set[str]]:
    """Variable to the defaults it has in a compose file, one if the file agrees with itself."""
    found: dict[str, set[str]] = {}
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text):
        found.setdefault(name, set()).add(default)
    return found


def test_the_example_says_what_holds_without_it():
    told = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))

    assert told
    assert {name: {value} for name, value in told.items()} == defaults(COMPOSE)


def test_every_variable_has_a_default():
    names = set(re.findall(r"\$\{(\w+)", COMPOSE))

    assert names == set(defaults(COMPOSE))


def test_no_password_is_written_down():
    assert defaults(COMPOSE)["SHARDMILL_REDIS_PASSWORD"] == {""}
    assert defaults(COMPOSE)["SHARDMILL_FLOWER_PASSWORD"] == {""}


@pytest.mark.parametrize(
    "line",
    [
        "read_only: true",
        "cap_drop: [ALL]",
        'security_opt: ["no-new-privileges:true"]',
        'user: "${SHARDMILL_UID:-1000}:${SHARDMILL_GID:-1000}"',
        "init: true",
        "stop_grace_period: 45s",
        "ulimits: {core: 0}",
        "tmpfs: [/tmp]",
    ],
)
def test_a_worker_elsewhere_is_as_confined_as_one_here(line):
    assert line in COMPOSE
    assert line in WORKER


def test_the_overlay_for_other_machines_publishes_nothing_but_tls():
    overlay = (ROOT / "ops" / "open.yml").read_text()

    assert re.findall(r"ports: (.*)", overlay) == ['["${SHARDMILL_REDIS_PORT:-6380}:6380"]']
    assert '--tls-port, "6380"' in overlay
    assert set(defaults(overlay)) == OVERLAY_ONLY
