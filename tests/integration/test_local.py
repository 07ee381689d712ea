"""The embedded cluster stands when it says so."""

import os
import sys

import pytest

from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.settings import Settings
from shardmill.ledger.ledger import Ledger
from shardmill.local.cluster import LocalCluster, _servers_of_wheel, redis_server

SLOW_TO_LISTEN = """#!{python}
import os, socket, sys, time
path = sys.argv[sys.argv.index("--unixsocket") + 1]
with socket.socket(socket.AF_UNIX) as unready:
    unready.bind(path)  # the name is there, and nobody listens
    time.sleep(0.5)
os.execv({server!r}, [{server!r}, *sys.argv[1:]])
"""


@pytest.fixture
def wheel() -> str:
    """The program that the wheel brings."""
    return next(_servers_of_wheel())


def test_the_wheel_brings_a_server(wheel, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert redis_server() == wheel
    assert os.access(wheel, os.X_OK)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["valkey-server"], "valkey-server"),
        (["valkey-server", "redis-server"], "redis-server"),
    ],
)
def test_a_server_on_the_path_goes_before_that_of_the_wheel(tmp_path, monkeypatch, there, taken):
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert redis_server() == str(tmp_path / taken)


def test_no_server_at_all_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(EnvironmentFault, match="redis-server or valkey-server"):
        redis_server()


def test_a_redis_whose_socket_has_a_name_but_does_not_listen_yet_is_waited_for(
    redis_server, tmp_path, monkeypatch
):
    program = tmp_path / "redis-server"
    program.write_text(SLOW_TO_LISTEN.format(python=sys.executable, server=redis_server))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with LocalCluster(Settings()) as cluster:
        ledger = Ledger(cluster.settings)
        assert ledger.queued() == 0
        ledger.close_connections()
