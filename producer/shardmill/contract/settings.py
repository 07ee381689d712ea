"""How this machine takes part: every setting is an environment variable ``SHARDMILL_<NAME>``.

Nothing else reads the environment.  A spec says what a job does; settings say where and with
what means, and never change the content of a shard.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from shardmill.contract.errors import UsageError
from shardmill.contract.names import QUEUES
from shardmill.contract.redis_url import RedisUrl

PREFIX: Final = "SHARDMILL_"
VISIBILITY_TIMEOUT_S: Final = 21_600
"""Above the longest task; the ledger brings lost work back long before."""
BATCHES_A_SLOT: Final = 4
SMALLEST_WINDOW: Final = 16
"""Of a cluster whose workers are not seen yet."""
CPU_QUOTA: Final = "/sys/fs/cgroup/cpu.max"
"""Where a container finds its share of the processors: ``max`` or microseconds, and a period."""


def setting(default: Any, text: str, *, in_repr: bool = True) -> Any:
    """Return a field of ``Settings`` with its sentence; one with a secret is not in ``repr``."""
    return field(default=default, metadata={"help": text}, repr=in_repr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process.

    Raises:
        UsageError: A value has another type or leaves its range.
    """

    redis_url: str = setting(
        "redis://127.0.0.1:6379/0",
        "Redis: redis://, rediss:// or unix://; the ledger takes the next database",
        in_repr=False,
    )
    """Redis of the cluster: ``redis://``, ``rediss://`` or ``unix://``."""
    redis_password_file: str = setting("", "file with the password that the Redis URL leaves out")
    """File with the password that ``redis_url`` leaves out; its text goes into ``redis_url``."""
    flower_url: str = setting("", "where a browser finds Flower; submit prints it")
    """Where a browser finds Flower; empty: not known."""
    heartbeat: str = setting("", "file that a worker touches while it takes messages; empty: none")
    """File that a worker touches every few seconds while it takes messages; empty means none."""
    slots: int = setting(0, "decoders on this machine; 0 means one a core")
    """Decoders on this machine; 0 means one a core."""
    queues: str = setting("probe,extract,finish", "stages this worker takes part in")
    """Stages this worker takes part in, separated by ``,``."""
    roots: str = setting(
        "", "directories a worker may read and write, separated by ':'; empty: any"
    )
    """Directories a worker may touch, separated by ``:``; empty means any."""
    worker_name: str = setting("", "name of this worker; empty: host name and process number")
    """Name of this worker in rows and logs; empty means host name and process number."""
    window: int = setting(0, "batches of one job in Redis at a time; 0 means 4 a slot, at least 16")
    """Batches of one job in Redis at a time; 0 means 4 a slot of the cluster, at least 16."""
    lease_s: float = setting(30.0, "seconds until the work of a silent worker is given to another")
    """Seconds until the work of a silent worker is given to another."""
    max_attempts: int = setting(3, "workers that may vanish over a batch before it is split")
    """Workers that may vanish over a batch before it is split."""
    idle_s: float = setting(60.0, "seconds a decoder may work without a new frame")
    """Seconds a decoder may work without a new frame."""
    grace_s: float = setting(10.0, "seconds a worker has to end when told to")
    """Seconds a worker has to end when told to."""

    def __post_init__(self) -> None:
        if self.redis_password_file:
            url = self._redis.with_password(self._password()).text
            object.__setattr__(self, "redis_url", url)
        _ = self._redis
        for name, low in (("slots", 0), ("window", 0), ("max_attempts", 1)):
            self._at_least(name, low)
        for name in ("lease_s", "idle_s", "grace_s"):
            self._at_least(name, 0.1)

    def _at_least(self, name: str, low: float) -> None:
        if not getattr(self, name) >= low:
            raise UsageError(
                f"{PREFIX}{name.upper()} must be at least {low}, got {getattr(self, name)}"
            )

    def _password(self) -> str:
        try:
            with open(self.redis_password_file, encoding="utf-8") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{PREFIX}REDIS_PASSWORD_FILE must name a readable file, "
                f"got {self.redis_password_file}: {error}"
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the environment.

        Raises:
            UsageError: A value has another type or leaves its range.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for spec in fields(cls):
            text = environment.get(PREFIX + spec.name.upper())
            if text is None:
                continue
            kind: Any = type(spec.default)
            try:
                values[spec.name] = kind(text)
            except ValueError as error:
                raise UsageError(
                    f"{PREFIX}{spec.name.upper()} must be a number ({kind.__name__}), got {text!r}"
                ) from error
        return cls(**values)

    def environment(self) -> dict[str, str]:
        """Return the variables from which another process reads the same settings."""
        return {PREFIX + f.name.upper(): str(getattr(self, f.name)) for f in fields(self)}

    @property
    def slot_count(self) -> int:
        """Decoders on this machine."""
        if self.slots:
            return self.slots
        if hasattr(os, "sched_getaffinity"):  # not on macOS
            cores = len(os.sched_getaffinity(0))
        else:
            cores = os.cpu_count() or 1
        return min(cores, _cpu_quota(CPU_QUOTA))

    @property
    def queue_names(self) -> list[str]:
        """The queues this worker reads.

        Raises:
            UsageError: A name is no stage.
        """
        stages = [stage.strip() for stage in self.queues.split(",")]
        if not set(stages) <= QUEUES.keys():
            raise UsageError(
                f"{PREFIX}QUEUES must be some of {', '.join(QUEUES)}, got {self.queues!r}"
            )
        return [queue for stage, queue in QUEUES.items() if stage in stages]

    @property
    def broker_url(self) -> str:
        """Where Celery's messages go, in kombu's words."""
        return self._redis.broker

    @property
    def ledger_url(self) -> str:
        """Where the ledger lies, in redis-py's words: the database after the broker's."""
        return self._redis.ledger.text

    @property
    def shown_url(self) -> str:
        """The Redis URL without its password."""
        return self._redis.shown

    @property
    def _redis(self) -> RedisUrl:
        return RedisUrl.parse(self.redis_url, name=f"{PREFIX}REDIS_URL")

    @property
    def root_list(self) -> tuple[str, ...]:
        """The directories a worker may touch; none means any."""
        return tuple(os.path.realpath(root) for root in self.roots.split(":") if root)


def window_of(slots: int) -> int:
    """Return how many batches of a job are to be in Redis: enough to keep all slots at work.

    And no more, for a small job waits until those of a large one that came before it are done.

    Args:
        slots: Of all workers of the cluster.
    """
    return max(SMALLEST_WINDOW, BATCHES_A_SLOT * slots)


def _cpu_quota(path: str) -> int:
    """Return how many cores a container may use at once, rounded up; many if nothing says."""
    try:
        with open(path, encoding="ascii") as file:
            limit_us, period_us = file.read().split()
        return math.ceil(int(limit_us) / int(period_us))
    except (OSError, ValueError):  # no container, or "max"
        return 1 << 20


def celery_configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's settings, the same for producers, workers and Flower.

    The queue is a hint and the ledger the truth, so every recovery that Celery offers is off:
    each of them, measured, loses or doubles work or loops for ever.
    """
    return {
        "broker_url": settings.broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 30,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "client_name": "shardmill",
            "retry_on_timeout": False,
            "queue_order_strategy": "round_robin",
        },
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_reject_on_worker_lost": False,
        "task_publish_retry": True,
        "task_create_missing_queues": False,
        "task_queues": {queue: {"routing_key": queue} for queue in QUEUES.values()},
        "task_default_queue": QUEUES["probe"],
        "worker_pool": "threads",
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 0,
        "worker_send_task_events": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_eta_task_limit": 100,
        "worker_lost_wait": 10.0,
        "enable_utc": True,
    }
