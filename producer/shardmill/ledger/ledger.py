"""The transitions of a job's state, one method each, one Lua script each."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, Final

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from shardmill.contract import names
from shardmill.contract.batch import STAGES, Batch, Stage
from shardmill.contract.errors import InvalidMessage, LedgerUnavailable
from shardmill.contract.job import Job, State
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.ledger.answers import Claim, Held, Live, Reserved, Snapshot

FINISH_ID: Final = "finish"
"""Name of a job's one finish batch."""
SWEEP_LIMIT: Final = 1000
"""Batches that one sweep returns at most."""


@cache
def _source(name: str) -> str:
    return files("shardmill.ledger").joinpath(f"{name}.lua").read_text(encoding="ascii")


def _client(url: str) -> "redis.Redis":
    """Return a client that fails soon rather than late: 2 s a call, one retry.

    A retry may apply a command twice; every script here stands that.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(ConstantBackoff(0.1), 1),
        health_check_interval=10,
        decode_responses=True,
        client_name="shardmill-ledger",
    )


class Ledger:
    """All jobs of one Redis.

    Every method may raise ``LedgerUnavailable`` if Redis does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.shown_url
        self._redis = _client(settings.ledger_url)
        self._queues = _client(settings.redis_url)
        self._scripts: dict[str, Any] = {}

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn the failures of a Redis client into ``LedgerUnavailable``."""
        try:
            yield
        except redis.RedisError as error:
            found = str(error).rstrip(".")
            raise LedgerUnavailable(
                f"expected Redis to answer at {self._url}, got: {found}; see that it runs, or "
                "name another with --redis"
            ) from error

    def close_connections(self) -> None:
        """Give up the connections to Redis."""
        self._redis.close()
        self._queues.close()

    def _run(self, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
        if name not in self._scripts:
            self._scripts[name] = self._redis.register_script(_source(name))
        with self._faults():
            return self._scripts[name](keys=keys, args=arguments)

    def open(self, job: Job, counters: Mapping[str, int]) -> None:
        """Begin a job, or take it up again; ``counters`` is what its manifest holds already.

        The run number makes the files of this opening differ from those of any other.
        """
        values: dict[str, str | int] = {
            "state": "running",
            "reason": "",
            "out": job.out,
            "root": _text(job.root),
            "goal": job.goal,
            "spec": json.dumps(job.spec.encode()),
            "run": secrets.token_hex(2),
            "started_ms": round(job.started_s * 1000),
            **counters,
        }
        flat = [part for pair in values.items() for part in pair]
        self._run("open", [names.job_key(job.name), names.JOBS], job.name, *flat)

    def reserve(self, job: str, batch: Batch, *, batch_id: str, window: int) -> Reserved:
        """Put a batch in flight if the job runs and fewer than ``window`` are."""
        keys = [names.job_key(job), names.inflight_key(job), names.batch_key(job, batch_id)]
        answer: Reserved = self._run("reserve", keys, batch_id, batch.stage, batch.encode(), window)
        return answer

    def claim(
        self, job: str, batch_id: str, *, worker: str, lease_s: float, max_attempts: int
    ) -> Claim:
        """Take a batch for one lease; counted before any file is opened.

        Raises:
            InvalidMessage: The ledger's payload is no batch.
        """
        owner = f"{worker}/{secrets.token_hex(4)}"
        verdict, *rest = self._run(
            "claim",
            [
                *(names.job_key(job), names.inflight_key(job), names.lease_key(job)),
                names.batch_key(job, batch_id),
            ],
            *(batch_id, owner, _ms(lease_s), max_attempts),
        )
        if not rest:
            return Claim(verdict=verdict)
        fence, attempts, payload = rest
        return Claim(
            verdict=verdict,
            fence=int(fence),
            attempts=int(attempts),
            batch=Batch.decode(payload),
        )

    def beat(self, job: str, batch_id: str, *, fence: int, lease_s: float, live: Live) -> Held:
        """Renew a lease and tell how much of the batch's estimated work is done."""
        keys = [names.job_key(job), names.lease_key(job), names.live_key(job)]
        keys.append(names.batch_key(job, batch_id))
        answer: Held = self._run(
            "beat", keys, batch_id, fence, _ms(lease_s), f"{live.worked_us} {live.frames}"
        )
        return answer

    def commit(
        self,
        job: str,
        batch_id: str,
        *,
        counters: Mapping[str, int],
        children: Mapping[str, Batch],
        fence: int | None = None,
    ) -> bool:
        """Count a batch and put its children in flight; False if it was counted before.

        Args:
            job: Name of the job.
            batch_id: Name of the batch.
            counters: What to add to the job's counters.
            children: Batches that follow from this one, by their names.
            fence: Do nothing if the batch was claimed after this claim: for what left no file
                that would tell who was first.
        """
        keys = [
            *(names.job_key(job), names.inflight_key(job), names.lease_key(job)),
            *(names.live_key(job), names.batch_key(job, batch_id)),
            *(names.batch_key(job, child) for child in children),
        ]
        added = {name: amount for name, amount in counters.items() if amount}
        followers = [[name, child.stage, child.encode()] for name, child in children.items()]
        mine = "" if fence is None else fence
        answer = self._run("commit", keys, batch_id, json.dumps(added), json.dumps(followers), mine)
        return bool(answer)

    def release(self, job: str, batch_id: str, *, fence: int) -> None:
        """Give a batch back unfinished; the attempt is not charged."""
        keys = [names.job_key(job), names.inflight_key(job), names.lease_key(job)]
        keys += [names.live_key(job), names.batch_key(job, batch_id)]
        self._run("release", keys, batch_id, fence)

    def close(self, job: str, *, inputs: int) -> None:
        """Tell that every input is enumerated."""
        with self._faults():
            self._redis.hset(names.job_key(job), mapping={"enumerated": 1, "inputs": inputs})

    def drain(self, job: str) -> bool:
        """Put the finish batch in flight if nothing else is left; True for one caller only."""
        keys = [names.job_key(job), names.inflight_key(job), names.batch_key(job, FINISH_ID)]
        return bool(self._run("drain", keys, FINISH_ID, Batch("finish").encode()))

    def sweep(self, job: str, *, messages_missing: bool, grace_s: float) -> dict[str, Stage]:
        """Take expired leases back; return the batches whose message must be sent again.

        Args:
            job: Name of the job.
            messages_missing: The queues hold fewer messages than batches wait, so those that
                wait longer than ``grace_s`` are sent again too.
            grace_s: How long a message may be on its way.
        """
        keys = [names.job_key(job), names.inflight_key(job), names.lease_key(job)]
        keys.append(names.live_key(job))
        due = self._run("sweep", keys, int(messages_missing), _ms(grace_s), SWEEP_LIMIT)
        stages = {batch_id: self.stage(job, batch_id) for batch_id in due}
        return {batch_id: stage for batch_id, stage in stages.items() if stage is not None}

    def stage(self, job: str, batch_id: str) -> Stage | None:
        """Return the stage of a batch in flight."""
        with self._faults():
            found = self._redis.hget(names.batch_key(job, batch_id), "stage")
        return next((stage for stage in STAGES if stage == found), None)

    def shift(self, job: str, state: State, *, reason: str = "", allowed: Sequence[State]) -> bool:
        """Change a job's state if it is one of ``allowed``; True if it was."""
        answer = self._run("shift", [names.job_key(job)], state, reason, *allowed)
        return bool(answer == "shifted")

    def job(self, name: str) -> tuple[Job, str] | None:
        """Return a job and its run number; None if the ledger does not know it.

        Raises:
            InvalidMessage: The entry is no job of this version.
        """
        with self._faults():
            values: Any = self._redis.hgetall(names.job_key(name))
        if not values:
            return None
        try:
            job = Job(
                name=name,
                root=_path(values["root"]),
                out=values["out"],
                goal=values["goal"],
                spec=Spec.decode(json.loads(values["spec"])),
                inputs=int(values["inputs"]) if "inputs" in values else None,
                started_s=int(values["started_ms"]) / 1000,
            )
            return job, values["run"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(f"the ledger's entry of job {name!r} is none: {error}") from error

    def snapshot(self, name: str) -> Snapshot | None:
        """Return a job's numbers; None if the ledger does not know it.

        Raises:
            InvalidMessage: The entry is no job of this version.
        """
        with self._faults():
            pipe = self._redis.pipeline()
            pipe.hgetall(names.job_key(name))
            pipe.zcard(names.inflight_key(name))
            pipe.zcard(names.lease_key(name))
            pipe.hvals(names.live_key(name))
            pipe.time()
            values, inflight, leased, live, (now_s, now_us) = pipe.execute()
        if "state" not in values:
            return None
        try:
            now_ms = int(values.get("ended_ms") or now_s * 1000 + now_us // 1000)
            return Snapshot(
                state=values["state"],
                reason=values["reason"],
                out=values["out"],
                inputs=int(values["inputs"]) if "inputs" in values else None,
                counters={k: int(v) for k, v in values.items() if k not in _TEXT_FIELDS},
                inflight=inflight,
                leased=leased,
                live=Live.total(live),
                seconds=max(0.0, (now_ms - int(values["started_ms"])) / 1000),
            )
        except (KeyError, ValueError) as error:
            raise InvalidMessage(f"the ledger's entry of job {name!r} is none: {error}") from error

    def queued(self) -> int:
        """Return how many messages wait in the queues."""
        with self._faults():
            pipe = self._queues.pipeline()
            for queue in names.QUEUES.values():
                pipe.llen(queue)
            return sum(pipe.execute())

    def waiting(self, job: str) -> int:
        """Return how many batches of a job that runs or was cancelled should have a message."""
        with self._faults():
            pipe = self._redis.pipeline()
            pipe.hget(names.job_key(job), "state")
            pipe.zcard(names.inflight_key(job))
            pipe.zcard(names.lease_key(job))
            state, inflight, leased = pipe.execute()
        return inflight - leased if state in {"running", "cancelled"} else 0

    def jobs(self) -> list[str]:
        """Return the names of all jobs, sorted."""
        with self._faults():
            found: Any = self._redis.smembers(names.JOBS)
        return sorted(found)

    def lead(self, worker: str, *, seconds: float) -> bool:
        """Become or stay the worker that looks for lost messages, for so long; True if it is."""
        with self._faults():
            if self._redis.set(names.RECONCILER, worker, nx=True, px=_ms(seconds)):
                return True
            if self._redis.get(names.RECONCILER) != worker:
                return False
            return bool(self._redis.pexpire(names.RECONCILER, _ms(seconds)))

    def appear(self, worker: str, *, now_s: float, forget_after_s: float) -> None:
        """Tell that a worker is alive; forget those not seen for a while."""
        with self._faults():
            self._redis.zadd(names.WORKERS, {worker: _ms(now_s)})
            self._redis.zremrangebyscore(names.WORKERS, 0, _ms(now_s - forget_after_s))

    def disappear(self, worker: str) -> None:
        """Tell that a worker is leaving."""
        with self._faults():
            self._redis.zrem(names.WORKERS, worker)

    def workers(self) -> list[str]:
        """Return the workers seen lately."""
        with self._faults():
            found: Any = self._redis.zrange(names.WORKERS, 0, -1)
        return list(found)


_TEXT_FIELDS: Final = {"state", "reason", "out", "root", "goal", "spec", "run"}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(path: str) -> str:
    return json.dumps(path)


def _path(text: str) -> str:
    path = json.loads(text)
    if not isinstance(path, str) or not os.path.isabs(path):
        raise ValueError(f"expected an absolute path, got {path!r}")
    return path
