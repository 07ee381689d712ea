"""What the ledger costs, and what a very large job needs.

python benchmarks/ledger.py calls                    milliseconds of the ledger a batch
python benchmarks/ledger.py probe --files 1000000    a probe job over made-up files on this machine:
                                                     files a second, peaks of producer and Redis
python benchmarks/ledger.py recovery                 seconds from SIGKILL of all workers to the next
                                                     commit, with the lease of 30 s
python benchmarks/ledger.py overhead                 what queue, ledger and slots add to the same
                                                     engine called in a plain loop, one core each
"""

import argparse
import os
import resource
import shutil
import statistics
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

from shardmill.contract.batch import Batch
from shardmill.contract.job import Job
from shardmill.contract.manifest import Facts, Item
from shardmill.contract.roots import Roots
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.ledger.ledger import Ledger
from shardmill.ledger.told import Live
from shardmill.submission.local import redis_server

NAME = "benchmark-000000"
TINY_GIF = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""A picture of one pixel."""
FILES_A_FOLDER = 1000
LOOK_S = 0.5
CLIPS = 99


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


def calls(batches: int) -> None:
    """Print what reserve, claim, job, beat, commit and drain of one batch take together."""
    items = tuple(Item(path=f"folder/{i:06}.mp4", size_bytes=i, mtime_ns=i) for i in range(256))
    batch = Batch("extract", items, (Facts(width=320, height=240, fps=25.0),) * len(items))
    with private_redis() as (url, _):
        ledger = Ledger(Settings(redis_url=url))
        ledger.open(Job(name=NAME, root="/in", out="/out", spec=Spec()), {})
        spent = dict.fromkeys(("reserve", "claim", "job", "beat", "commit", "drain"), 0.0)
        for number in range(1, batches + 1):
            name = f"{number:016x}"
            clock = [time.perf_counter()]
            ledger.reserve(NAME, batch, batch_id=name, window=9, number=number)
            clock.append(time.perf_counter())
            claim = ledger.claim(NAME, name, worker="w", lease_s=30, max_attempts=3)
            clock.append(time.perf_counter())
            ledger.job(NAME)
            clock.append(time.perf_counter())
            ledger.beat(NAME, name, fence=claim.fence, lease_s=30, live=Live(1, 1))
            clock.append(time.perf_counter())
            ledger.commit(NAME, name, counters={"ok": 256, "frames": 9999}, children={})
            clock.append(time.perf_counter())
            ledger.drain(NAME)
            clock.append(time.perf_counter())
            for step, (began, ended) in zip(spent, pairwise(clock), strict=True):
                spent[step] += ended - began
        ledger.close_connections()
    for step, seconds in spent.items():
        print(f"{step:8} {1e3 * seconds / batches:6.3f} ms")
    print(f"together {1e3 * sum(spent.values()) / batches:6.3f} ms a batch of 256 items (aim: 3)")


def make_tree(root: Path, count: int) -> None:
    """Fill a folder with so many links to one picture of one pixel."""
    root.mkdir(parents=True)
    made = 0
    while made < count:
        folder = root / f"{made // FILES_A_FOLDER:06}"
        folder.mkdir()
        source = folder / "000.gif"
        source.write_bytes(TINY_GIF)
        made += 1
        for number in range(1, min(FILES_A_FOLDER, count - made + 1)):
            os.link(source, folder / f"{number:03}.gif")
            made += 1


def memory_kb(pid: int, field: str) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next((int(line.split()[1]) for line in status if line.startswith(field)), 0)


def probe(count: int, place: str | None) -> None:
    """Print rate and peaks of a probe job over so many files."""
    from shardmill.api.starting import hand_over
    from shardmill.submission.request import Request
    from shardmill.submission.watcher import SILENT

    with tempfile.TemporaryDirectory(dir=place) as folder, private_redis() as (url, server):
        root, out = Path(folder, "in"), Path(folder, "out")
        make_tree(root, count)
        print(f"{count} files made", flush=True)
        settings = Settings(redis_url=url)
        worker = start_worker(settings)
        ended = threading.Event()
        redis_peaks: list[float] = []

        def watch() -> None:
            with redis.Redis.from_url(url) as client:
                while not ended.wait(LOOK_S):
                    redis_peaks.append(client.info("memory")["used_memory"] / 1e6)

        threading.Thread(target=watch, daemon=True).start()
        began = time.perf_counter()
        request = Request(root=str(root), out=str(out), spec=Spec(), goal="probe")
        job = hand_over(request, settings, SILENT)
        status = job.wait()
        seconds = time.perf_counter() - began
        ended.set()
        job.close()
        worker.terminate()
        worker.wait()
        half = len(redis_peaks) // 2
        print(f"{status.state}: {status.tally.ok} ok of {status.inputs} in {seconds:.0f} s")
        print(f"{count / seconds:.0f} files/s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"producer: peak RSS {peak:.0f} MB (aim: 150)")
        first, second = max(redis_peaks[:half]), max(redis_peaks[half:])
        resident = memory_kb(server, "VmHWM") / 1e3
        print(f"Redis: peak {max(redis_peaks):.1f} MB (aim: 64), resident {resident:.0f} MB")
        print(f"first half of the job {first:.1f} MB, second half {second:.1f} MB")


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


SIZE = Spec(size="160x120")


def plain_loop(root: str, out: str) -> None:
    """Do what a worker does with a directory, without queue, ledger, lease or decoder process."""
    from shardmill.contract.layout import Layout
    from shardmill.submission.scan import Filter, scan
    from shardmill_worker.engine.extract import extract_batch
    from shardmill_worker.engine.probe import probe_item
    from shardmill_worker.engine.work import ExtractWork
    from shardmill_worker.planner import plan

    layout = Layout(out)
    layout.make()
    items = [
        Item(path=found.path, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
        for found in scan(root, Filter((), ()), print)
    ]
    facts = [probe_item(root, item) for item in items]
    for number, batch in enumerate(plan(Batch("extract", tuple(items), tuple(facts)), SIZE)):
        work = ExtractWork(
            roots=Roots.of(root),
            out=out,
            spec=SIZE,
            batch_id=f"{number:016x}",
            attempt="1",
            worker="w",
            items=batch.items,
            facts=batch.facts,
        )
        os.mkdir(work.tmp)
        for _ in extract_batch(work, lambda: None):
            pass
        os.rename(work.part_tmp, layout.part(work.batch_id))


def overhead(rounds: int) -> None:
    """Print the medians of both ways, taken in turns, and what the longer one adds."""
    from shardmill_worker.sample import make_sample

    with tempfile.TemporaryDirectory() as folder:
        roots = {name: Path(folder, name) for name in ("much", "little")}
        for number in range(2):
            make_sample(str(roots["much"] / str(number)), clips=CLIPS)
        make_sample(str(roots["little"]), clips=1)
        for broken in Path(folder).rglob("broken*"):
            broken.unlink()
        alone = "import sys; sys.path[:0] = [sys.argv[3]]; from ledger import plain_loop"
        alone += "; plain_loop(sys.argv[1], sys.argv[2])"
        run = [sys.executable, "-m", "shardmill", "run", "--jobs", "1", "--size", "160x120"]
        ways = {
            "a plain loop": [
                sys.executable,
                "-c",
                alone,
                roots["much"],
                "OUT",
                Path(__file__).parent,
            ],
            "shardmill run --jobs 1": [*run, roots["much"], "--out", "OUT"],
            "the same with two files": [*run, roots["little"], "--out", "OUT"],
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, words in ways.items():
                out = f"{folder}/out"
                began = time.perf_counter()
                command = [out if word == "OUT" else str(word) for word in words]
                subprocess.run(command, check=True, capture_output=True)
                taken[name].append(time.perf_counter() - began)
                shutil.rmtree(out)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, seconds in medians.items():
        print(f"{name:24} {seconds:6.2f} s   ({min(taken[name]):.2f} - {max(taken[name]):.2f})")
    plain, whole, start = medians.values()
    print(f"whole command: {100 * (whole / plain - 1):+.1f} %")
    print(f"without starting and ending: {100 * ((whole - start) / plain - 1):+.1f} % (aim: 5)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("calls").add_argument("--batches", type=int, default=2000)
    probing = verbs.add_parser("probe")
    probing.add_argument("--files", type=int, default=100_000)
    probing.add_argument("--dir", help="where the files are made")
    verbs.add_parser("recovery")
    verbs.add_parser("overhead").add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.verb == "calls":
        calls(options.batches)
    elif options.verb == "probe":
        probe(options.files, options.dir)
    elif options.verb == "recovery":
        recovery()
    else:
        overhead(options.rounds)
