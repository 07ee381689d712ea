"""Each transition of a job's state does what it says, and twice no more than once."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import count

import pytest
import redis
from msgspec.structs import replace

from awaiting import PATIENCE_S, wait_for
from private_redis import PrivateRedis
from shardmill.contract import names
from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.errors import EnvironmentFault, InvalidMessage, LedgerUnavailable
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.answers import RUN_BYTES, Claim, Committed
from shardmill.ledger.client import ANSWER_S
from shardmill.ledger.ledger import FINISH_ID, KEEP_S, SHOWN_S, SWEEP_LIMIT, Ledger
from shardmill.ledger.telemetry import Failure, Live, Share, Telemetry

JOB = "clips-123456"
PROBE = Batch(id="b1", stage="probe", table="files-0-0a1b2c3d", end=2, subject="a/1.mp4")
EXTRACT = Batch(
    id="c1", stage="extract", table="probed-b1-0-0a1b2c3d", first=7, end=9, size_bytes=20
)
IDLE = Live()


@pytest.fixture(scope="session")
def server(redis_server) -> Iterator[PrivateRedis]:
    server = PrivateRedis(redis_server)
    yield server
    server.close()


@pytest.fixture
def database(server) -> Iterator["redis.Redis"]:
    """The ledger's database, empty."""
    with server.client(database=1) as client:
        client.flushall()
        yield client


@pytest.fixture
def ledger(server, database) -> Iterator[Ledger]:
    """A ledger that has one job with nothing in flight."""
    ledger = Ledger(Settings(redis_url=server.url))
    ledger.open(job(), {}, run=ledger.new_run())
    database.hset(names.job_key(JOB), "run", "00000000")  # fences count from 1
    yield ledger
    ledger.close_connections()


def job(**changes) -> Job:
    plain = Job(name=JOB, root="/data/\udcff", out="/out", spec=Spec(fps=24.0), started_s=1e9)
    return replace(plain, **changes)


def reserve(
    ledger: Ledger,
    batch_id: str = "b1",
    *,
    window: int = 9,
    batch: Batch = PROBE,
    number: int | None = None,
) -> str:
    """Reserve the next batch, or the one of that number."""
    if number is None:
        told = ledger.snapshot(JOB)
        number = 1 + (told.counters.get("reserved", 0) if told else 0)
    return ledger.reserve(JOB, replace(batch, id=batch_id), window=window, number=number)


def claim(ledger: Ledger, batch_id: str = "b1", *, lease_s: float = 60) -> Claim:
    return ledger.claim(JOB, batch_id, worker="w", lease_s=lease_s, max_attempts=3)


def beat(ledger: Ledger, fence: int, *, batch_id: str = "b1", live: Live = IDLE) -> str:
    return ledger.heartbeat(JOB, batch_id, fence=fence, lease_s=60, live=live)


def commit(ledger: Ledger, batch_id: str = "b1", **counters: int) -> Committed:
    return ledger.commit(JOB, batch_id, counters=counters, children=())


def sweep(ledger: Ledger, *, missing: bool = False, grace_s: float = 0) -> dict[str, str]:
    due = ledger.requeue_expired(JOB, messages_missing=missing, grace_s=grace_s)
    return {batch.id: batch.stage for batch in due}


def cancel(ledger: Ledger) -> bool:
    return ledger.set_state(JOB, "cancelled", allowed=["running", "paused"])


def pause(ledger: Ledger) -> bool:
    return ledger.set_state(JOB, "paused", reason="disk full", allowed=["running"])


def counted(ledger: Ledger, *counters: str) -> dict[str, int]:
    return {name: ledger.snapshot(JOB).counters[name] for name in counters}


def contents(database: "redis.Redis") -> dict[str, object]:
    """Everything in the ledger but times, which are replaced by their order."""
    found: dict[str, object] = {}
    for key in sorted(database.keys()):
        kind = database.type(key)
        if kind in {"zset", "list"}:
            read = database.zrange if kind == "zset" else database.lrange
            found[key] = read(key, 0, -1)
        else:
            found[key] = database.hgetall(key) if kind == "hash" else database.smembers(key)
    return found


def reserved(ledger: Ledger) -> None:
    reserve(ledger)


def claimed(ledger: Ledger) -> None:
    reserve(ledger)
    claim(ledger)


def expired(ledger: Ledger) -> None:
    reserve(ledger)
    claim(ledger, lease_s=0)


def cancelled_while_claimed(ledger: Ledger) -> None:
    claimed(ledger)
    cancel(ledger)


def enumerated(ledger: Ledger) -> None:
    ledger.close(JOB, batches=ledger.snapshot(JOB).counters.get("reserved", 0))


def finish_in_flight(ledger: Ledger) -> None:
    enumerated(ledger)
    ledger.enqueue_finish(JOB)


def commit_with_child(ledger: Ledger) -> None:
    ledger.commit(JOB, "b1", counters={"ok": 1}, children=[EXTRACT])


def commit_and_tell(ledger: Ledger, batch_id: str = "b1", worker: str = "w") -> None:
    """Commit 7 frames and a failure that is named after the batch."""
    told = Telemetry(worker, (Failure("corrupt", batch_id, "found nothing"),))
    counters = {"frames": 7, "ok": 1}
    told_so = ledger.commit(JOB, batch_id, counters=counters, children=(), telemetry=told)
    assert told_so != "known"


Step = Callable[[Ledger], object]


@pytest.mark.parametrize(
    ("before", "step"),
    [
        pytest.param(
            claimed, lambda ledger: ledger.open(job(), {"ok": 2}, run=ledger.new_run()), id="open"
        ),
        pytest.param(enumerated, reserve, id="reserve"),
        pytest.param(reserved, claim, id="claim"),
        pytest.param(expired, claim, id="claim of an expired lease"),
        pytest.param(claimed, lambda ledger: beat(ledger, 1, live=Live(5, 6)), id="beat"),
        pytest.param(claimed, lambda ledger: commit(ledger, ok=3), id="commit"),
        pytest.param(claimed, commit_with_child, id="commit with a child"),
        pytest.param(
            claimed,
            lambda ledger: ledger.commit(
                JOB,
                "b1",
                counters={"frames": 7},
                children=(),
                telemetry=Telemetry("w", (Failure("corrupt", "a", "b"),)),
            ),
            id="commit that tells",
        ),
        pytest.param(finish_in_flight, lambda ledger: commit(ledger, FINISH_ID), id="finish"),
        pytest.param(claimed, lambda ledger: ledger.release(JOB, "b1", fence=1), id="release"),
        pytest.param(
            cancelled_while_claimed,
            lambda ledger: ledger.release(JOB, "b1", fence=1),
            id="release when cancelled",
        ),
        pytest.param(cancelled_while_claimed, claim, id="claim when cancelled"),
        pytest.param(reserved, enumerated, id="close"),
        pytest.param(enumerated, lambda ledger: ledger.enqueue_finish(JOB), id="drain"),
        pytest.param(expired, sweep, id="sweep"),
        pytest.param(reserved, lambda ledger: sweep(ledger, missing=True), id="sweep for messages"),
        pytest.param(reserved, pause, id="pause"),
        pytest.param(reserved, cancel, id="cancel"),
    ],
)
def test_a_transition_applied_twice_is_applied_once(ledger, database, monkeypatch, before, step):
    """A client that lost the answer sends the same script with the same arguments again."""

    def outcome(times: int) -> dict[str, object]:
        tokens = map("{:08x}".format, count())  # owner and run number would differ otherwise
        monkeypatch.setattr("secrets.token_hex", lambda _: next(tokens))
        database.flushall()
        ledger.open(job(), {}, run=ledger.new_run())
        before(ledger)
        with monkeypatch.context() as patch:
            once = ledger._run
            patch.setattr(ledger, "_run", lambda *args: [once(*args) for _ in range(times)][-1])
            step(ledger)
        found = contents(database)
        found[names.job_key(JOB)].pop("ended_ms", None)
        return found

    assert outcome(times=2) == outcome(times=1)


def test_the_same_claim_sent_again_gets_the_same_answer(ledger, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "one call")
    reserve(ledger)
    first = claim(ledger)

    assert claim(ledger) == first
    assert (first.verdict, first.fence, first.attempts) == ("claimed", 1, 1)


def test_a_batch_comes_back_as_it_was_reserved(ledger):
    reserve(ledger, batch=EXTRACT)

    assert claim(ledger).batch == replace(EXTRACT, id="b1")
    assert ledger.release(JOB, "b1", fence=1)
    assert sweep(ledger) == {"b1": "extract"}


def test_a_window_takes_no_more_than_its_size_and_refills(ledger):
    answers = [reserve(ledger, batch_id, window=2) for batch_id in ("b1", "b2", "b3")]

    assert answers == ["reserved", "reserved", "full"]
    claim(ledger, "b2")
    assert reserve(ledger, "b3", window=2) == "full", "a leased batch is in flight too"
    commit(ledger, "b1")
    assert reserve(ledger, "b3", window=2) == "reserved"


def test_a_batch_is_reserved_once_however_late_the_call_comes_again(ledger):
    """By then it may be done: taken up again it would be counted twice."""
    assert reserve(ledger, number=1) == "reserved"
    claim(ledger)
    commit(ledger, ok=1)

    assert reserve(ledger, number=1) == "known"
    assert ledger.snapshot(JOB).inflight == 0


def test_a_redis_that_went_back_is_found_out(ledger, database):
    """A snapshot, or a log whose last second the machine lost: reserved batches are gone."""
    reserve(ledger)
    before = database.dump(names.job_key(JOB))
    reserve(ledger, "b2")
    database.restore(names.job_key(JOB), 0, before, replace=True)

    assert reserve(ledger, "b3", number=3) == "behind"
    with pytest.raises(EnvironmentFault, match="run the same command again"):
        ledger.close(JOB, batches=2)
    assert not ledger.enqueue_finish(JOB), "nothing is told to be enumerated"


def test_a_job_that_redis_has_lost_is_not_closed(ledger, database):
    database.flushall()

    with pytest.raises(EnvironmentFault, match="run the same command again"):
        ledger.close(JOB, batches=0)
    assert database.keys() == []


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        pytest.param(pause, "paused", id="paused"),
        pytest.param(cancel, "cancelled", id="cancelled"),
        pytest.param(lambda ledger: ledger._client.ledger.flushall(), "unknown", id="forgotten"),
    ],
)
def test_only_a_running_job_takes_batches(ledger, change, answer):
    change(ledger)

    assert reserve(ledger) == answer


def test_a_leased_batch_is_busy_for_others(ledger):
    reserve(ledger)
    claim(ledger)

    assert claim(ledger) == Claim(verdict="busy")


def test_what_is_not_in_flight_is_done(ledger):
    assert claim(ledger, "never heard of") == Claim(verdict="done")


def test_a_claim_of_an_earlier_run_has_lost(ledger):
    """The same batch is there again, claimed as often: who slept since cannot take it for his."""
    reserve(ledger)
    late = claim(ledger).fence
    ledger.open(job(), {}, run=ledger.new_run())
    reserve(ledger)
    mine = claim(ledger).fence

    assert beat(ledger, late) == "lost"
    assert not ledger.release(JOB, "b1", fence=late)
    assert ledger.commit(JOB, "b1", counters={}, children=(), fence=late) == "known"
    assert beat(ledger, mine) == "held"


def test_a_superseded_claim_has_lost(ledger):
    reserve(ledger)
    first = claim(ledger, lease_s=0)
    second = claim(ledger)

    assert (first.fence, second.fence) == (1, 2)
    assert beat(ledger, first.fence) == "lost"
    ledger.release(JOB, "b1", fence=first.fence)
    assert beat(ledger, second.fence) == "held"


def test_a_beat_renews_the_lease(ledger, database):
    reserve(ledger)
    fence = claim(ledger, lease_s=5).fence
    before_ms = database.zscore(names.lease_key(JOB), "b1")

    assert beat(ledger, fence) == "held"
    assert database.zscore(names.lease_key(JOB), "b1") >= before_ms + 50_000


def test_a_beat_after_the_commit_or_the_sweep_has_lost(ledger):
    for batch_id in ("b1", "b2"):
        reserve(ledger, batch_id)
    done, late = claim(ledger, "b1").fence, claim(ledger, "b2", lease_s=0).fence
    commit(ledger, "b1")
    sweep(ledger)

    assert beat(ledger, done, batch_id="b1") == "lost"
    assert beat(ledger, late, batch_id="b2") == "lost"


def test_a_beat_hears_of_the_cancelling(ledger):
    reserve(ledger)
    fence = claim(ledger).fence
    cancel(ledger)

    assert beat(ledger, fence) == "cancelled"


def test_an_expired_lease_comes_back_once_and_a_held_one_not(ledger):
    for batch_id in ("b1", "b2"):
        reserve(ledger, batch_id)
    claim(ledger, "b1", lease_s=0)
    claim(ledger, "b2")

    assert sweep(ledger) == {"b1": "probe"}
    assert sweep(ledger) == {}
    assert claim(ledger, "b1").verdict == "claimed"


def test_more_batches_than_one_sweep_returns_are_all_seen(ledger, database):
    """Those that are held come first and wait longest; they must hide no other."""
    waiting = {f"w{i}" for i in range(SWEEP_LIMIT + 5)}
    for batch_id in [*(f"h{i}" for i in range(SWEEP_LIMIT + 5)), *sorted(waiting)]:
        reserve(ledger, batch_id, window=9999)
        if batch_id.startswith("h"):
            claim(ledger, batch_id)

    for batch_id in waiting:
        database.zincrby(names.waiting_key(JOB), -10_000, batch_id)

    seen = [set(sweep(ledger, missing=True, grace_s=5)) for _ in range(2)]

    assert seen[0] | seen[1] == waiting
    assert len(seen[0]) == SWEEP_LIMIT


def test_a_short_lease_runs_out_by_itself(ledger):
    reserve(ledger)
    claim(ledger, lease_s=0.05)

    assert wait_for(lambda: sweep(ledger), "the end of the lease") == {"b1": "probe"}


def test_only_what_waits_longer_than_the_grace_is_sent_again(ledger, database):
    for batch_id in ("old", "new", "held"):
        reserve(ledger, batch_id)
    claim(ledger, "held")
    database.zincrby(names.waiting_key(JOB), -10_000, "old")

    assert sweep(ledger, missing=False, grace_s=5) == {}
    assert sweep(ledger, missing=True, grace_s=5) == {"old": "probe"}
    assert sweep(ledger, missing=True, grace_s=5) == {}, "it has just been sent"


def test_a_paused_job_is_stopped_and_goes_on_later(ledger):
    for batch_id in ("b1", "b2"):
        reserve(ledger, batch_id)
    claim(ledger, "b2", lease_s=0)
    pause(ledger)

    assert claim(ledger) == Claim(verdict="stopped")
    assert sweep(ledger, missing=True) == {}
    assert ledger.active() == {JOB: 0}
    assert ledger.snapshot(JOB).reason == "disk full"
    assert ledger.set_state(JOB, "running", allowed=["paused"])
    assert ledger.snapshot(JOB).reason == ""
    assert ledger.active() == {JOB: 2}
    assert sweep(ledger, missing=True) == {"b1": "probe", "b2": "probe"}
    assert claim(ledger).attempts == 1, "a message that found the job paused is no attempt"


def test_cancelled_batches_are_dropped_when_claimed(ledger, database):
    for batch_id in ("waiting", "held", "expired"):
        reserve(ledger, batch_id)
    fence = claim(ledger, "held").fence
    claim(ledger, "expired", lease_s=0)
    cancel(ledger)

    assert claim(ledger, "held") == Claim(verdict="stopped"), "its holder is still at it"
    assert beat(ledger, fence, batch_id="held") == "cancelled"
    assert sweep(ledger, missing=True) == {"expired": "probe", "waiting": "probe"}
    for batch_id in ("waiting", "expired"):
        assert claim(ledger, batch_id) == Claim(verdict="stopped")
    ledger.release(JOB, "held", fence=fence)
    assert sorted(database.keys()) == [names.ACTIVE, names.job_key(JOB), names.JOBS]


@pytest.mark.parametrize(
    ("state", "wanted", "allowed", "shifted"),
    [
        ("running", "paused", ["running"], True),
        ("paused", "paused", ["running"], False),
        ("paused", "running", ["paused"], True),
        ("cancelled", "running", ["paused"], False),
        ("running", "cancelled", ["running", "paused"], True),
        ("done", "cancelled", ["running", "paused"], False),
    ],
)
def test_a_state_changes_only_where_it_may(ledger, database, state, wanted, allowed, shifted):
    database.hset(names.job_key(JOB), "state", state)

    assert ledger.set_state(JOB, wanted, allowed=allowed) is shifted
    assert ledger.snapshot(JOB).state == (wanted if shifted else state)


def test_an_unknown_job_is_made_by_nothing(ledger, database):
    database.flushall()

    assert not pause(ledger)
    assert not ledger.enqueue_finish(JOB)
    assert sweep(ledger, missing=True) == {}
    assert commit(ledger, ok=1) == "known"
    assert ledger.snapshot(JOB) is None
    assert ledger.job(JOB) is None
    assert database.keys() == []


@pytest.mark.parametrize(
    ("prepare", "ready"),
    [
        pytest.param(lambda ledger: None, False, id="still enumerating"),
        pytest.param(enumerated, True, id="enumerated and empty"),
        pytest.param(
            lambda ledger: (reserve(ledger), enumerated(ledger)), False, id="a batch in flight"
        ),
        pytest.param(
            lambda ledger: (claimed(ledger), enumerated(ledger), commit(ledger)),
            True,
            id="the last batch committed",
        ),
        pytest.param(
            lambda ledger: (claimed(ledger), enumerated(ledger), commit_with_child(ledger)),
            False,
            id="a child in flight",
        ),
        pytest.param(lambda ledger: (enumerated(ledger), pause(ledger)), False, id="paused"),
        pytest.param(lambda ledger: (enumerated(ledger), cancel(ledger)), False, id="cancelled"),
    ],
)
def test_the_finish_batch_comes_once_and_only_at_the_end(ledger, prepare, ready):
    prepare(ledger)

    assert [ledger.enqueue_finish(JOB) for _ in range(3)] == [ready, False, False]
    assert (sweep(ledger, missing=True).get(FINISH_ID) == "finish") is ready


def test_committing_the_finish_batch_ends_the_job_and_its_clock(ledger, database):
    finish_in_flight(ledger)
    assert claim(ledger, FINISH_ID).batch == FINISH
    assert commit(ledger, FINISH_ID) == "counted"

    ended = ledger.snapshot(JOB)
    assert (ended.state, ended.inflight, ended.leased) == ("done", 0, 0)
    database.hincrby(names.job_key(JOB), "ended_ms", -round(ended.seconds * 1000) + 5000)
    assert ledger.snapshot(JOB).seconds == pytest.approx(5)
    assert not ledger.enqueue_finish(JOB)


def test_a_commit_counts_and_puts_the_children_in_flight(ledger):
    reserve(ledger)
    beat(ledger, claim(ledger).fence, live=Live(5, 6))
    children = [EXTRACT, replace(PROBE, id="c2", last_chance=True)]

    first = ledger.commit(JOB, "b1", counters={"ok": 2, "frames": 2**40}, children=children)
    again = ledger.commit(JOB, "b1", counters={"ok": 2}, children=[replace(PROBE, id="c3")])

    assert (first, again) == ("counted", "known")
    after = ledger.snapshot(JOB)
    assert counted(ledger, "ok", "frames") == {"ok": 2, "frames": 2**40}
    assert (after.inflight, after.leased, after.live) == (2, 0, Live())
    assert claim(ledger, "c2").batch == children[1]
    assert claim(ledger, "b1").verdict == "done"


def test_a_job_tells_who_has_done_what_and_what_failed_last(ledger, database):
    for number, worker in enumerate("aabab"):
        reserve(ledger, f"b{number}")
        commit_and_tell(ledger, f"b{number}", worker)
    reserve(ledger, "b5")
    commit(ledger, "b5", frames=9)
    reserve(ledger, "b6")
    ledger.commit(JOB, "b6", counters={"probed": 4}, children=(), telemetry=Telemetry("b"))

    told = ledger.snapshot(JOB)
    assert told.shares == {"a": Share(0, 21), "b": Share(4, 14)}
    assert [failure.path for failure in told.failures] == ["b4", "b3", "b2"], "newest first"
    ledger.open(job(), {"inputs": 9, "probed": 5, "frames": 44}, run=ledger.new_run())
    again = ledger.snapshot(JOB)
    assert (again.shares, list(again.failures)) == ({}, []), "of this run only"
    assert counted(ledger, "inputs", "probed_before", "frames_before", "frames") == {
        "inputs": 9,
        "probed_before": 5,
        "frames_before": 44,
        "frames": 44,
    }


def test_workers_that_come_and_go_for_ever_fill_no_redis(ledger, database):
    shares = {f"frames:w{number}": 1 for number in range(2000)}
    database.hset(names.share_key(JOB), mapping=shares)
    reserve(ledger)

    commit_and_tell(ledger, worker="new")

    assert ledger.snapshot(JOB).shares == {"new": Share(0, 7)}


def test_what_a_superseded_claim_says_counts_only_with_a_manifest_part(ledger):
    """A part on the disk decides who was first; without one the last claim does."""
    reserve(ledger)
    late, last = claim(ledger, lease_s=0).fence, claim(ledger).fence

    def split(fence: int) -> Committed:
        return ledger.commit(
            JOB, "b1", counters={}, children=[replace(PROBE, id="c1")], fence=fence
        )

    assert [split(late), split(last), split(last)] == ["known", "counted", "known"]
    assert ledger.snapshot(JOB).inflight == 1


def test_a_finish_that_has_paused_its_job_comes_again(ledger):
    finish_in_flight(ledger)
    claim(ledger, FINISH_ID)
    pause(ledger)
    commit(ledger, FINISH_ID)

    assert ledger.snapshot(JOB).state == "paused"
    ledger.set_state(JOB, "running", allowed=["paused"])
    assert ledger.enqueue_finish(JOB)


def finished(ledger: Ledger) -> None:
    finish_in_flight(ledger)
    claim(ledger, FINISH_ID)
    commit(ledger, FINISH_ID)


@pytest.mark.parametrize("end", [cancel, finished])
def test_what_people_were_told_goes_with_the_job(ledger, database, end):
    reserve(ledger)
    commit_and_tell(ledger)
    shown = {names.share_key(JOB), names.failures_key(JOB)}
    assert shown <= set(database.keys())
    reserve(ledger, "b2")
    claim(ledger, "b2")
    if end is cancel:
        cancel(ledger)
        commit_and_tell(ledger, "b2")  # what was at hand
    else:
        commit_and_tell(ledger, "b2")
        finished(ledger)

    assert not {*shown, names.live_key(JOB)} & set(database.keys())


@pytest.mark.parametrize("end", [finished, cancel])
def test_a_job_that_has_ended_is_remembered_for_a_week(ledger, database, end):
    end(ledger)

    assert 0 < database.pttl(names.job_key(JOB)) <= KEEP_S * 1000
    assert ledger.jobs() == [JOB]
    database.pexpire(names.job_key(JOB), 1)
    wait_for(lambda: ledger.jobs() == [], "the end of that time")
    assert database.keys() == []


@pytest.mark.parametrize("end", [finished, cancel])
def test_a_job_is_active_for_minutes_after_its_end(ledger, database, end):
    assert ledger.active() == {JOB: 0}

    end(ledger)

    assert ledger.active() == {JOB: None}, "nothing of it is left to do"
    ended_ms = int(database.hget(names.job_key(JOB), "ended_ms"))
    database.hset(names.job_key(JOB), "ended_ms", ended_ms - SHOWN_S * 1000)
    assert ledger.active() == {}
    assert not database.exists(names.ACTIVE)
    assert ledger.jobs() == [JOB], "it is remembered all the same"
    ledger.open(job(), {}, run=ledger.new_run())
    assert ledger.active() == {JOB: 0}


def test_a_cancelled_job_is_active_as_long_as_a_batch_is_in_flight(ledger, database):
    reserve(ledger)
    fence = claim(ledger).fence
    cancel(ledger)
    database.hset(names.job_key(JOB), "ended_ms", 0)

    assert ledger.active() == {JOB: 0}
    ledger.release(JOB, "b1", fence=fence)
    assert ledger.active() == {}


def test_more_jobs_than_one_script_looks_at_are_all_active(ledger, monkeypatch):
    monkeypatch.setattr("shardmill.ledger.ledger.ACTIVE_LIMIT", 2)
    for name in ("a", "c", "d", "e"):
        ledger.open(job(name=name), {}, run=ledger.new_run())
    reserve(ledger)

    assert ledger.active() == {"a": 0, "c": 0, JOB: 1, "d": 0, "e": 0}


def test_a_list_of_active_jobs_that_was_lost_is_made_again(ledger, database):
    database.delete(names.ACTIVE)
    assert ledger.active() == {}

    ledger.list_again()

    assert ledger.active() == {JOB: 0}


def test_a_job_that_is_taken_up_again_does_not_expire(ledger, database):
    cancel(ledger)

    ledger.open(job(), {}, run=ledger.new_run())

    assert database.pttl(names.job_key(JOB)) == -1


def test_batches_of_a_forgotten_job_are_dropped_like_those_of_a_cancelled_one(ledger, database):
    for batch_id in ("waiting", "held", "late"):
        reserve(ledger, batch_id)
    held, _ = (claim(ledger, batch_id).fence for batch_id in ("held", "late"))
    beat(ledger, held, batch_id="held")
    database.delete(names.job_key(JOB))
    assert ledger.jobs() == [JOB], "as long as something is left of it"

    assert beat(ledger, held, batch_id="held") == "cancelled"
    ledger.release(JOB, "held", fence=held)
    assert commit(ledger, "late", ok=1) == "counted"
    assert sweep(ledger, missing=True) == {"waiting": "probe"}
    assert claim(ledger, "waiting") == Claim(verdict="stopped")
    assert ledger.jobs() == []
    assert database.keys() == []


def test_opening_clears_what_an_earlier_opening_left(ledger, database):
    for batch_id in ("waiting", "held"):
        reserve(ledger, batch_id)
    beat(ledger, claim(ledger, "held").fence, batch_id="held")

    ledger.open(job(), {}, run=ledger.new_run())

    assert sorted(database.keys()) == [names.ACTIVE, names.job_key(JOB), names.JOBS]


@pytest.fixture
def full(database) -> Callable:
    """Makes Redis refuse to take any more."""
    yield lambda: database.config_set("maxmemory", 1)
    database.config_set("maxmemory", 0)


def test_a_full_redis_takes_no_more_work_but_lets_what_runs_end(ledger, full):
    """Committing frees memory; if it were refused nothing would ever be free again."""
    for batch_id in ("b1", "b2", "b3"):
        reserve(ledger, batch_id)
    first, second = claim(ledger, "b1").fence, claim(ledger, "b2").fence
    full()

    with pytest.raises(LedgerUnavailable, match="maxmemory"):
        reserve(ledger, "b4")
    assert beat(ledger, first) == "held"
    assert commit(ledger, "b1", ok=1) != "known"
    assert ledger.release(JOB, "b2", fence=second)
    assert claim(ledger, "b3").verdict == "claimed"
    assert counted(ledger, "ok") == {"ok": 1}


def test_too_many_attempts_exhaust_a_batch(ledger):
    reserve(ledger)

    verdicts = [(c.verdict, c.attempts) for c in (claim(ledger, lease_s=0) for _ in range(4))]

    assert verdicts == [("claimed", 1), ("claimed", 2), ("claimed", 3), ("exhausted", 4)]
    assert claim(ledger).batch == PROBE, "whoever gives it up must know what it is"


def test_a_released_batch_is_charged_nothing(ledger):
    reserve(ledger)
    for fence in range(1, 6):
        assert (claim(ledger).attempts, claim(ledger).verdict) == (1, "busy")
        ledger.release(JOB, "b1", fence=fence)
        ledger.release(JOB, "b1", fence=fence)

    assert claim(ledger).attempts == 1


def test_the_snapshot_tells_the_numbers(ledger):
    ledger.open(
        job(started_s=time.time() - 100),
        {"ok": 5, "failed:crash": 1, "inputs": 8},
        run=ledger.new_run(),
    )
    for batch_id in ("b1", "b2", "b3", "b4"):
        reserve(ledger, batch_id)
    for batch_id, live in (("b1", Live(100, 10)), ("b2", Live(20, 2))):
        fence = claim(ledger, batch_id).fence
        beat(ledger, fence, batch_id=batch_id, live=live)
    ledger.close(JOB, batches=4)
    commit(ledger, "b4", ok=2, worked_us=7, inputs=1)

    told = ledger.snapshot(JOB)
    assert (told.state, told.reason, told.out, told.inputs) == ("running", "", "/out", 9)
    assert (told.inflight, told.leased, told.live) == (3, 2, Live(120, 12))
    assert sorted(told.held, key=lambda live: live.frames) == [Live(20, 2), Live(100, 10)]
    counters = {"ok": 7, "failed:crash": 1, "worked_us": 7}
    assert counted(ledger, *counters) == counters
    assert 100 <= told.seconds < 160
    assert ledger.active() == {JOB: 1}


def test_a_job_comes_back_as_it_was_opened(ledger):
    found, run = ledger.job(JOB)

    assert found == job()
    assert len(run) == 2 * RUN_BYTES
    assert ledger.jobs() == [JOB]


def test_the_job_of_a_claim_is_read_once_a_run(ledger, database):
    ledger.open(job(), {}, run=ledger.new_run())
    reserve(ledger)
    run = claim(ledger).run

    assert ledger.job_of(JOB, run) == job() == ledger.job(JOB)[0]
    database.delete(names.job_key(JOB))
    assert ledger.job_of(JOB, run) == job()
    ledger.open(other := job(out="/elsewhere"), {}, run=ledger.new_run())
    reserve(ledger)
    assert ledger.job_of(JOB, claim(ledger).run) == other
    assert ledger.job_of(JOB, run) is None, "that of a run that is over"


def test_the_last_commit_says_so(ledger):
    for batch_id in ("b1", "b2"):
        reserve(ledger, batch_id)
    claim(ledger, "b1")

    told = [commit(ledger, batch_id) for batch_id in ("b1", "b2", "b2")]

    assert told == ["counted", "last", "known"]


def test_opening_again_starts_over_with_another_run_number(ledger):
    _, before = ledger.job(JOB)
    reserve(ledger)
    commit(ledger, ok=3)
    enumerated(ledger)
    runs = set()
    for _ in range(5):
        ledger.open(job(), {"ok": 1}, run=ledger.new_run())
        runs.add(ledger.job(JOB)[1])

    assert counted(ledger, "ok") == {"ok": 1}
    assert ledger.snapshot(JOB).inputs is None, "nobody has told how many there are"
    assert len(runs | {before}) > 1


def test_one_worker_leads_until_it_has_been_quiet(ledger):
    assert ledger.lead("one", seconds=60)
    assert not ledger.lead("two", seconds=60)
    assert ledger.lead("one", seconds=0.05)
    wait_for(lambda: ledger.lead("two", seconds=60), "the first leader's end")
    assert not ledger.lead("one", seconds=60)


def test_workers_appear_disappear_and_are_forgotten(ledger, database):
    for name, slots in (("gone", 100), ("one", 10), ("two", 1)):
        ledger.register_worker(name, slots=slots, forget_after_s=15)
    assert ledger.slots() == 111
    database.zincrby(names.WORKERS, -16_000, "gone")
    ledger.register_worker("two", slots=2, forget_after_s=15)
    assert (ledger.workers(), ledger.slots()) == (["one", "two"], 12)
    ledger.unregister_worker("one")
    assert (ledger.workers(), ledger.slots()) == (["two"], 2)


def test_messages_are_counted_in_all_queues(ledger, server):
    with server.client() as queues:
        for queue in names.QUEUES.values():
            queues.rpush(queue, "x", "y")

    assert ledger.queued() == 6


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("\x80\x04\x95 a pickle", id="a pickle"),
        pytest.param("{", id="no JSON"),
        pytest.param('{"stage":"shutdown","table":"a-b","rows":[0,1]}', id="unknown stage"),
        pytest.param(replace(PROBE, table="../../etc/passwd").encode(), id="hostile path"),
        pytest.param(replace(PROBE, first=2, end=2).encode(), id="no rows"),
    ],
)
def test_a_batch_whose_payload_is_damaged_pauses_its_job_at_the_end(ledger, database, payload):
    """What it was to do can only be found out from the inputs again: the job is not whole."""
    reserve(ledger)
    reserve(ledger, "b2")
    enumerated(ledger)
    database.hset(names.batch_key(JOB, "b1"), "payload", payload)

    with pytest.raises(InvalidMessage):
        claim(ledger)

    assert claim(ledger) == Claim(verdict="done"), "it is not claimed again for ever"
    assert not ledger.enqueue_finish(JOB)
    assert ledger.snapshot(JOB).state == "running", "the others are done meanwhile"
    claim(ledger, "b2")
    commit(ledger, "b2", ok=1)
    assert not ledger.enqueue_finish(JOB)
    told = ledger.snapshot(JOB)
    assert (told.state, told.inflight) == ("paused", 0)
    assert "run the same command again" in told.reason
    assert sorted(database.keys()) == [names.ACTIVE, names.job_key(JOB), names.JOBS]


@pytest.mark.parametrize("harm", ["evicted", "half gone"])
def test_a_batch_that_redis_has_lost_pauses_its_job_at_the_end(ledger, database, harm):
    """A Redis that may evict keys takes a batch away, but not its name."""
    reserve(ledger)
    enumerated(ledger)
    if harm == "evicted":
        database.delete(names.batch_key(JOB, "b1"))
    else:
        database.hdel(names.batch_key(JOB, "b1"), "stage", "payload")
    assert sweep(ledger, missing=True) == {"b1": "probe"}, "somebody has to look at it"

    with suppress(InvalidMessage):
        assert claim(ledger) == Claim(verdict="done")

    assert not ledger.enqueue_finish(JOB)
    assert ledger.snapshot(JOB).state == "paused"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("roots", "relative"),
        ("roots", json.dumps(["relative"])),
        ("roots", "7"),
        ("roots", "[]"),
        ("spec", "{"),
        ("spec", "[]"),
        ("spec", '{"colour": 1}'),
        ("started_ms", "soon"),
        ("files", "many"),
    ],
)
def test_a_hostile_job_is_no_job(ledger, database, field, value):
    database.hset(names.job_key(JOB), field, value)

    with pytest.raises(InvalidMessage, match="the ledger's entry of job"):
        ledger.job(JOB)


def test_a_job_without_a_field_is_no_job(ledger, database):
    database.hdel(names.job_key(JOB), "run")

    with pytest.raises(InvalidMessage):
        ledger.job(JOB)


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        (names.job_key(JOB), "ok", "many"),
        (names.job_key(JOB), "started_ms", "soon"),
        (names.live_key(JOB), "b1", "a lot"),
        (names.live_key(JOB), "b1", "1"),
        (names.live_key(JOB), "b1", "[1, 2]"),
        (names.live_key(JOB), "b1", '[1, 2, 3, "w", "probe", 7, 1, 1]'),
        (names.share_key(JOB), "frames:w", "many"),
        (names.share_key(JOB), "w", "1"),
    ],
)
def test_hostile_numbers_are_no_snapshot(ledger, database, key, name, value):
    database.hset(key, name, value)

    with pytest.raises(InvalidMessage):
        ledger.snapshot(JOB)


@pytest.mark.parametrize("text", ["", "{}", '["corrupt", "a"]', '["corrupt", "a", null]'])
def test_a_hostile_failure_is_no_snapshot(ledger, database, text):
    database.lpush(names.failures_key(JOB), text)

    with pytest.raises(InvalidMessage):
        ledger.snapshot(JOB)


def test_a_value_of_another_kind_is_a_fault_of_redis(ledger, database):
    database.delete(names.job_key(JOB))
    database.set(names.job_key(JOB), "a string")

    with pytest.raises(LedgerUnavailable):
        reserve(ledger)


CALLS: list[Step] = [
    reserve,
    claim,
    lambda ledger: ledger.snapshot(JOB),
    lambda ledger: ledger.queued(),
    lambda ledger: ledger.jobs(),
    lambda ledger: ledger.close(JOB, batches=0),
    lambda ledger: ledger.lead("w", seconds=1),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_redis_that_is_gone_is_told_at_once(tmp_path, call):
    ledger = Ledger(Settings(redis_url=f"unix://{tmp_path}/nothing"))
    began_s = time.monotonic()

    with pytest.raises(LedgerUnavailable, match="expected Redis to answer at unix:"):
        call(ledger)

    assert time.monotonic() - began_s < 10


def test_a_redis_that_answers_nothing_is_told_within_seconds():
    """One try of two seconds; the machine may be slow."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ledger = Ledger(Settings(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        began_s = time.monotonic()

        with pytest.raises(LedgerUnavailable):
            ledger.jobs()

        assert time.monotonic() - began_s < 2 * ANSWER_S
        ledger.close_connections()


def test_a_redis_that_stops_answering_is_told_within_seconds(redis_server):
    server = PrivateRedis(redis_server)
    ledger = Ledger(Settings(redis_url=server.url))
    try:
        ledger.open(job(), {}, run=ledger.new_run())
        server.freeze()
        began_s = time.monotonic()

        with pytest.raises(LedgerUnavailable):
            reserve(ledger)

        assert time.monotonic() - began_s < 2 * ANSWER_S
    finally:
        ledger.close_connections()
        server.close()


def test_a_patient_ledger_waits_for_a_redis_that_was_there(redis_server):
    server = PrivateRedis(redis_server, durable=True)
    ended = threading.Event()
    ledger = Ledger(Settings(redis_url=server.url), patience_s=PATIENCE_S, ended=ended)
    try:
        ledger.open(job(), {}, run=ledger.new_run())
        server.kill()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(reserve, ledger, number=1)
            assert not wait([waiting], timeout=1).done
            server.start()
            assert waiting.result() == "reserved"
            server.kill()
            waiting = pool.submit(reserve, ledger, number=2)
            ended.set()
            with pytest.raises(LedgerUnavailable):
                waiting.result()
    finally:
        ended.set()
        ledger.close_connections()
        server.close()


def test_a_patient_ledger_tells_at_once_of_a_redis_that_never_was(tmp_path):
    ledger = Ledger(Settings(redis_url=f"unix://{tmp_path}/nothing"), patience_s=PATIENCE_S)
    began_s = time.monotonic()

    with pytest.raises(LedgerUnavailable):
        ledger.jobs()

    assert time.monotonic() - began_s < PATIENCE_S / 2


def test_a_ledger_works_again_when_redis_does(redis_server):
    server = PrivateRedis(redis_server)
    try:
        ledger = Ledger(Settings(redis_url=server.url))
        ledger.open(job(), {}, run=ledger.new_run())
        server.kill()
        with pytest.raises(LedgerUnavailable):
            reserve(ledger)
        server.start()
        assert reserve(ledger) == "unknown", "its memory is gone, and that is said"
        ledger.close_connections()
    finally:
        server.close()
