"""The connections to Redis: how long a call may take, and what its failures are called."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shardmill.contract.errors import LedgerUnavailable
from shardmill.contract.settings import Settings

ANSWER_S: Final = 2.0
"""A Redis that has not answered by then counts as away."""
PAUSE_S: Final = 0.5
AWAY: Final = (redis.ConnectionError, redis.TimeoutError, redis.OutOfMemoryError)
"""What a Redis says that will do the same call later."""

T = TypeVar("T")


@cache
def _source(name: str) -> str:
    return files("shardmill.ledger").joinpath(f"{name}.lua").read_text(encoding="ascii")


def _connect(url: str) -> "redis.Redis":
    """Return a client that never tries again by itself: its tries to connect would multiply."""
    return redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
        decode_responses=True,
        client_name="shardmill-ledger",
    )


class Client:
    """Two databases of one Redis: the ledger's and the queues'.

    A call takes ``ANSWER_S`` at most where Redis hangs.  A connection that was cut is tried once
    more, so a command may be applied twice; every script here stands that, however late.
    """

    def __init__(
        self, settings: Settings, *, patience_s: float = 0.0, ended: threading.Event | None = None
    ) -> None:
        self._url = settings.shown_url
        self._patience_s = patience_s
        self._ended = ended or threading.Event()
        self._has_answered = False
        self.ledger = _connect(settings.ledger_url)
        self.queues = _connect(settings.redis_url)
        self._scripts: dict[str, Any] = {}

    def run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """Apply the script of a transition.

        Raises:
            LedgerUnavailable: Redis does not answer, or refuses.
        """
        if name not in self._scripts:
            self._scripts[name] = self.ledger.register_script(_source(name))
        return self.call(lambda: self._scripts[name](keys=keys, args=arguments))

    def call(self, command: Callable[[], T]) -> T:
        """Do something with a database, which may be done twice.

        Raises:
            LedgerUnavailable: Redis does not answer, or refuses.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                answer = _twice(command)
            except redis.RedisError as error:
                patient = self._has_answered and isinstance(error, AWAY)
                if not patient or time.monotonic() >= deadline or self._ended.wait(PAUSE_S):
                    raise self._unavailable(error) from error
            else:
                self._has_answered = True
                return answer

    def _unavailable(self, error: redis.RedisError) -> LedgerUnavailable:
        found = str(error).rstrip(".")
        return LedgerUnavailable(
            f"expected Redis to answer at {self._url}, got: {found}; see that it runs, or "
            "name another with --redis"
        )

    def close(self) -> None:
        """Give up the connections."""
        self.ledger.close()
        self.queues.close()


def _twice(command: Callable[[], T]) -> T:
    """Try again at once where a connection was cut, as all are that Redis had before it died."""
    try:
        return command()
    except redis.ConnectionError:
        return command()
