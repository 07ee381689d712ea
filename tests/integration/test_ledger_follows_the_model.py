"""The scripts in Redis do, from every state, what the model does that was explored whole."""

from collections import Counter

import pytest
from msgspec.structs import replace

from ledger_model import NAMES, Batch, State, World, explore
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.batch import FINISH
from shardmill.contract.batch import Batch as Payload
from shardmill.contract.settings import Settings
from shardmill.ledger.answers import COMMITTED, Committed
from shardmill.ledger.ledger import FINISH_ID, Ledger
from shardmill.ledger.telemetry import Live

JOB = "clips-123456"
PROBE = Payload(id="p", stage="probe", table="files-0a1b2c3d", end=1)
HOUR_MS = 3_600_000
IDS = {name: FINISH_ID if name == "f" else name for name in NAMES}
SCORES = {"sent": 5, "unsent": 0, "expired": 1}
"""Places of a batch to the time in its set; a lease that is held ends in an hour."""


@pytest.fixture(scope="module")
def server(redis_server):
    server = PrivateRedis(redis_server)
    yield server
    server.close()


class Scripts:
    """The real ledger, put into any state of the model and read back."""

    def __init__(self, ledger: Ledger, database) -> None:
        self._ledger = ledger
        self._database = database
        seconds, _ = database.time()
        self._now_ms = seconds * 1000

    def put(self, s: State) -> None:
        job = {"state": s.state, "reason": "", "reserved": s.reserved, "ok": s.ok}
        job |= {flag: 1 for flag in ("enumerated", "finishing") if getattr(s, flag)}
        with self._database.pipeline() as pipe:
            pipe.flushdb()
            pipe.hset(names.job_key(JOB), mapping=job)
            if s.active:
                pipe.sadd(names.ACTIVE, JOB)
            for name in s.flying():
                batch = s.batch(name)
                key = names.lease_key(JOB) if batch.leased else names.waiting_key(JOB)
                score = SCORES.get(batch.place, self._now_ms + HOUR_MS)
                pipe.zadd(key, {IDS[name]: score})
                payload = FINISH if name == "f" else PROBE
                fields = {"stage": payload.stage, "payload": payload.encode()}
                fields |= {"fence": batch.fence, "attempts": batch.attempts}
                if batch.owner:
                    fields["owner"] = f"{batch.owner}/"
                pipe.hset(names.batch_key(JOB, IDS[name]), mapping=fields)
            pipe.execute()

    def read(self) -> State:
        with self._database.pipeline() as pipe:
            pipe.hgetall(names.job_key(JOB))
            pipe.sismember(names.ACTIVE, JOB)
            pipe.zrange(names.waiting_key(JOB), 0, -1, withscores=True)
            pipe.zrange(names.lease_key(JOB), 0, -1, withscores=True)
            for name in NAMES:
                pipe.hgetall(names.batch_key(JOB, IDS[name]))
            job, active, waiting, leased, *batches = pipe.execute()
        places = {batch_id: "sent" if score else "unsent" for batch_id, score in waiting}
        for batch_id, score in leased:
            assert batch_id not in places, "in two sets"
            places[batch_id] = "held" if score > self._now_ms else "expired"
        found = [
            self._batch(places.pop(IDS[n], None), b) for n, b in zip(NAMES, batches, strict=True)
        ]
        assert not places, "in a set, but nothing is known of it"
        return State(
            state=job["state"],
            reserved=int(job.get("reserved", 0)),
            enumerated=job.get("enumerated") == "1",
            finishing=job.get("finishing") == "1",
            active=bool(active),
            ok=int(job.get("ok", 0)),
            batches=tuple(found),
        )

    @staticmethod
    def _batch(place: str | None, values: dict[str, str]) -> Batch | None:
        assert bool(place) == bool(values)
        if place is None:
            return None
        owner = values.get("owner", "").rstrip("/")
        return Batch(place, int(values["fence"]), int(values["attempts"]), owner)

    def reserve(self, name: str, number: int) -> str:
        return self._ledger.reserve(JOB, replace(PROBE, id=IDS[name]), window=99, number=number)

    def close(self, number: int) -> str:
        return self._ledger._run("close", [names.job_key(JOB)], number)

    def claim(self, name: str, owner: str) -> tuple[str, int, int]:
        claim = self._ledger.claim(JOB, IDS[name], worker=owner, lease_s=3600, max_attempts=3)
        return claim.verdict, claim.fence, claim.attempts

    def heartbeat(self, name: str, fence: int) -> str:
        return self._ledger.heartbeat(JOB, IDS[name], fence=fence, lease_s=3600, live=Live())

    def commit(self, name: str, fence: int, ok: int, children: tuple[str, ...]) -> Committed:
        followers = [replace(PROBE, id=IDS[child]) for child in children]
        counters = {"ok": ok}
        return self._ledger.commit(
            JOB, IDS[name], counters=counters, children=followers, fence=fence or None
        )

    def release(self, name: str, fence: int) -> bool:
        return self._ledger.release(JOB, IDS[name], fence=fence)

    def active(self) -> int | str:
        """Look as if the job had ended long ago, if it has ended."""
        keys = [names.ACTIVE, names.job_key(JOB), names.waiting_key(JOB), names.lease_key(JOB)]
        (told,) = self._ledger._run("active", keys, 0, JOB)
        return told

    def enqueue_finish(self) -> bool:
        return self._ledger.enqueue_finish(JOB)

    def set_state(self, state: str, allowed: tuple[str, ...]) -> bool:
        return self._ledger.set_state(JOB, state, allowed=allowed)

    def requeue_expired(self, missing: bool) -> set[str]:
        due = self._ledger.requeue_expired(JOB, messages_missing=missing, grace_s=0)
        return {name for name in NAMES if IDS[name] in {batch.id for batch in due}}


AS_TOLD = {
    "commit": COMMITTED.__getitem__,
    "release": bool,
    "enqueue_finish": bool,
    "requeue_expired": set,
}
AS_TOLD["set_state"] = "shifted".__eq__


def test_every_transition_of_the_explored_model_is_that_of_the_scripts(server, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "")  # an owner is then the worker alone
    world = World()
    explore(world, faults=1)
    ledger = Ledger(Settings(redis_url=server.url))
    tried: Counter[str] = Counter()
    with server.client(database=1) as database:
        scripts = Scripts(ledger, database)
        for (before, name, arguments), (answer, after) in world.transitions.items():
            scripts.put(before)
            told = getattr(scripts, name)(*arguments)
            assert told == AS_TOLD.get(name, lambda same: same)(answer), (before, name, arguments)
            assert scripts.read() == after, (before, name, arguments)
            tried[name] += 1
    ledger.close_connections()
    assert all(tried[name] > 20 for name in ("reserve", "claim", "heartbeat", "commit", "release"))
    assert all(
        tried[name] > 20 for name in ("active", "enqueue_finish", "set_state", "requeue_expired")
    )
    assert tried["close"]
