"""The embedded cluster stands when it says so."""

import sys

from shardmill.contract.settings import Settings
from shardmill.ledger.ledger import Ledger
from shardmill.submission.local import LocalCluster

SLOW_TO_LISTEN = """#!{python}
import os, socket, sys, time
path = sys.argv[sys.argv.index("--unixsocket") + 1]
with socket.socket(socket.AF_UNIX) as unready:
    unready.bind(path)  # the name is there, and nobody listens
    time.sleep(0.5)
os.execv({server!r}, [{server!r}, *sys.argv[1:]])
"""


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
