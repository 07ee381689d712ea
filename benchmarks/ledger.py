"""What the ledger costs, and what queue, ledger and slots add to the same engine alone.

python benchmarks/ledger.py                calls, and a whole job beside one plain process
python benchmarks/ledger.py --recovery     seconds from SIGKILL of all workers to the next commit,
                                           with the lease of 30 s
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import redis
from media import KINETICS
from msgspec.structs import replace
from program import OUT, Bench, command, options, parser, peer, publish, shardmill, starting
from record import Aim, Record, Table, ceiling
from side_by_side import Result, race

from processes import look
from shardmill.contract.batch import MAX_BYTES, MAX_SUBJECT, Batch
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.ledger import Ledger
from shardmill.ledger.telemetry import Live
from shardmill.local.cluster import redis_server

NAME = "benchmark-000000"
ITEMS = 256
CLIPS = 99
IDLE_S = 20


@contextmanager
def private_redis() -> Iterator[tuple[str, int]]:
    """Yield the URL and the process id of a Redis on a socket of its own."""
    folder = tempfile.mkdtemp(prefix="bench-")
    place = f"{folder}/sock"
    command = [redis_server(), "--port", "0", "--unixsocket", place, "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not os.path.exists(place):
        time.sleep(0.01)
    try:
        yield f"unix://{place}", process.pid
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def start_worker(settings: Settings) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "shardmill_worker"],
        env=os.environ | settings.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def made_up_batch() -> Batch:
    """Return a batch as long as any is."""
    return Batch(
        id="f" * 16,
        stage="extract",
        table=f"probed-{'f' * 16}-{'f' * 16}-{'f' * 8}",
        first=2**32 - ITEMS,
        end=2**32,
        subject="\U0001d11e" * MAX_SUBJECT,
        size_bytes=2**63 - 1,
    )


def calls(batches: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return what each call takes a batch, and what Redis computes for it and a beat, in ms."""
    batch = made_up_batch()
    spent = dict.fromkeys(("reserve", "claim", "heartbeat", "commit"), 0.0)
    with private_redis() as (url, server):
        ledger = Ledger(Settings(redis_url=url))
        ledger.open(Job(name=NAME, root="/in", out="/out", spec=Spec()), {}, run=ledger.new_run())
        _, before_s, _ = look(server, producer=0)
        for number in range(1, batches + 1):
            name = f"{number:016x}"
            clock = [time.perf_counter()]
            ledger.reserve(NAME, replace(batch, id=name), window=9, number=number)
            clock.append(time.perf_counter())
            claim = ledger.claim(NAME, name, worker="w", lease_s=30, max_attempts=3)
            clock.append(time.perf_counter())
            ledger.heartbeat(NAME, name, fence=claim.fence, lease_s=30, live=Live(1, 1))
            clock.append(time.perf_counter())
            ledger.commit(NAME, name, counters={"ok": ITEMS, "frames": 9999}, children=())
            clock.append(time.perf_counter())
            for step, (began, ended) in zip(spent, pairwise(clock), strict=True):
                spent[step] += ended - began
        _, after_s, _ = look(server, producer=0)
        beat_ms = beats(ledger, batch, server, number=batches + 1)
        ledger.close_connections()
    each = {step: 1e3 * seconds / batches for step, seconds in spent.items()}
    return each, {"batch": 1e3 * (after_s - before_s) / batches, "beat": beat_ms}


def beats(ledger: Ledger, batch: Batch, server: int, *, number: int) -> float:
    """Return what Redis computes for a beat, in ms."""
    count = 5 * number
    name = "f" * 16
    ledger.reserve(NAME, replace(batch, id=name), window=9, number=number)
    claim = ledger.claim(NAME, name, worker="w", lease_s=30, max_attempts=3)
    _, before_s, _ = look(server, producer=0)
    for _ in range(count):
        ledger.heartbeat(NAME, name, fence=claim.fence, lease_s=30, live=Live(1, 1))
    _, after_s, _ = look(server, producer=0)
    return 1e3 * (after_s - before_s) / count


def by_the_clock(pictures: Path) -> dict[str, float]:
    """Return what Redis computes a second, in ms: by itself, for an idle worker, a waiting job."""
    from shardmill import api

    with tempfile.TemporaryDirectory() as out, private_redis() as (url, _):
        settings = Settings(redis_url=url, slots=2, window=1)
        server, ledger = redis.Redis.from_url(url), Ledger(settings)
        own_ms = computed_ms(server)
        worker = start_worker(settings)
        while not ledger.workers():
            time.sleep(0.01)
        worker_ms = computed_ms(server)
        worker.kill()
        worker.wait()
        server.flushall()
        job = api.submit(pictures, out=out, settings=settings)
        watching = threading.Thread(target=job.wait)
        watching.start()
        job_ms = computed_ms(server)
        assert job.status().state == "running"
        job.cancel()
        watching.join()
        ledger.close_connections()
    return {"own": own_ms, "worker": worker_ms - own_ms, "job": job_ms - own_ms}


def computed_ms(client: "redis.Redis") -> float:
    """Return what a Redis computes a second, in the mean of ``IDLE_S``."""
    at = [client.info("cpu")]
    time.sleep(IDLE_S)
    at.append(client.info("cpu"))
    before, after = (each["used_cpu_user"] + each["used_cpu_sys"] for each in at)
    return 1e3 * (after - before) / IDLE_S


def recovery() -> None:
    """Print how long work rests after all workers were killed."""
    from shardmill import api
    from shardmill_worker.sample import make_sample

    with tempfile.TemporaryDirectory() as folder, private_redis() as (url, _):
        root, out = Path(folder, "in"), Path(folder, "out")
        make_sample(str(root), clips=CLIPS)
        settings = Settings(redis_url=url, slots=2)
        worker = start_worker(settings)
        job = api.submit(root, out=out, settings=settings)
        ledger = Ledger(settings)
        while not (snapshot := ledger.snapshot(job.name)) or snapshot.leased < 1:
            time.sleep(0.01)
        worker.kill()
        worker.wait()
        killed = time.perf_counter()
        worker = start_worker(settings)
        while ledger.snapshot(job.name).leased:  # type: ignore[union-attr]
            time.sleep(0.01)
        print(f"leases taken back after {time.perf_counter() - killed:.1f} s (aim: lease + 5)")
        job.wait()
        print(f"all done after {time.perf_counter() - killed:.1f} s")
        worker.terminate()
        worker.wait()
        ledger.close_connections()


def overhead(bench: Bench) -> tuple[Table, Aim]:
    """Return what a whole job takes beside the same engine in one plain process."""
    clips, distinct = bench.size(small=3, full=40), bench.size(small=3, full=20)
    root = bench.cache.clips("kinetics", KINETICS, distinct=distinct, count=clips)
    work, expect = bench.work, {"frames": clips * KINETICS.frames}
    ours = shardmill("run", root, "--out", OUT, "--size", "160x120", "--jobs", "1", "--json")
    alone = peer("engine_bare", root, OUT)
    raced = race(
        [
            command("shardmill run --jobs 1", ours, out=work / "ours", expect=expect),
            command("the engine alone, 1 process", alone, out=work / "alone", expect=expect),
            starting(work / "start"),
        ],
        rounds=bench.rounds,
        warm_up=False,
    )
    (whole, plain, start) = raced
    added = 100 * ((whole.median - start.median) / plain.median - 1)
    told = f"what queue, ledger and slots add to {plain.median:.0f} s of work, starting aside"
    return Table("One slot and one plain process", raced), ceiling("D", told, 5, added, unit="%")


def measure(bench: Bench) -> Record:
    spent, redis_ms = calls(bench.more["batches"] or bench.size(small=500, full=2000))
    steps = [Result(name, (ms / 1e3,)) for name, ms in spent.items()]
    together = sum(spent.values())
    clock = by_the_clock(bench.cache.tiny_pictures(1000))
    beside, added = overhead(bench)
    payload = len(made_up_batch().encode())
    return Record(
        name="ledger",
        title="The ledger",
        text=f"One batch of {ITEMS} items through every call of the ledger, one after the other: "
        "mean time with the way to Redis and back on one machine.",
        scale=bench.scale,
        tables=[Table("A call", steps, "ms", per="batch", compared=False), beside],
        aims=[
            ceiling("D", f"the ledger, a batch of {ITEMS} items", 1.5, together, unit="ms"),
            ceiling("D", "what the ledger holds of a batch", MAX_BYTES, payload, unit="bytes"),
            added,
        ],
        notes=[
            f"Of these {together:.2f} ms Redis itself computes for {redis_ms['batch']:.3f} ms.",
            "A second costs it {own:.1f} ms, an idle worker's {worker:.1f} more, a waiting job's "
            "{job:.1f}.".format(**clock),
        ],
        figures={
            "payload_bytes": payload,
            **{f"redis_ms_a_{name}": ms for name, ms in redis_ms.items()},
            **{f"redis_ms_a_second_{whose}": ms for whose, ms in clock.items()},
            **{f"{name}_ms": ms for name, ms in spent.items()},
        },
    )


if __name__ == "__main__":
    mine = parser(__doc__)
    mine.add_argument("--batches", type=int)
    mine.add_argument("--recovery", action="store_true", help="this alone; takes a minute")
    given = options(mine, small=1, full=3)
    if given.more["recovery"]:
        recovery()
    else:
        publish(measure(given), given)
