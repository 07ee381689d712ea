"""A Redis server of the tests' own: a socket file or a loopback port, ended by its process id."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import redis

from awaiting import wait_for


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class PrivateRedis:
    """A server that can be killed and started again over the same data."""

    def __init__(
        self,
        program: str,
        *,
        tcp: bool = False,
        durable: bool = False,
        options: Sequence[str | Path] = (),
    ) -> None:
        self._directory = tempfile.mkdtemp(prefix="redis-")  # pytest's paths are too long
        place = str(Path(self._directory, "sock"))
        port = free_port() if tcp else 0
        self.url = f"redis://127.0.0.1:{port}" if tcp else f"unix://{place}"
        self._command = [
            *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", self._directory),
            *("--save", "", "--appendonly", "yes" if durable else "no"),
            *("--appendfsync", "always", "--logfile", "log"),
            *([] if tcp else ["--unixsocket", place]),
            *map(str, options),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def client(self, *, database: int = 0) -> "redis.Redis":
        """Return a client; the caller closes it."""
        return redis.Redis.from_url(self.url, db=database, decode_responses=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        wait_for(self._answers, "an answer of redis-server")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def snapshot(self) -> bytes:
        """Return all that the server holds."""
        with self.client() as client:
            client.save()
        return self._dump.read_bytes()

    def set_back(self, snapshot: bytes) -> None:
        """Let the server crash and come back with what it held at an earlier time."""
        self.kill()
        self._dump.write_bytes(snapshot)
        self.start()

    @property
    def _dump(self) -> Path:
        return Path(self._directory, "dump.rdb")

    def freeze(self) -> None:
        """Let the server take connections and answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def clients(self, name: str) -> int:
        """Return how many connections of that name there are."""
        with self.client() as client:
            return sum(connection["name"] == name for connection in client.client_list())

    def blocked(self) -> int:
        """Return how many clients wait for a message."""
        with self.client() as client:
            return int(client.info("clients")["blocked_clients"])

    def refused(self) -> int:
        """Return how many commands were refused because memory is full."""
        with self.client() as client:
            return int(client.info("errorstats").get("errorstat_OOM", {}).get("count", 0))

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill()
        shutil.rmtree(self._directory)
