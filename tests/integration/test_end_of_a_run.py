"""A run ends between two looks at it: whoever looks has OUT's word at once, and waits for nothing.

The Redis of an embedded run ends with it, so a Redis that was there a moment ago is no reason to
wait for its return.  Each test holds the end of the run just there.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from awaiting import wait_for
from out_dir import OutDir, Video
from shardmill import api
from shardmill.contract.errors import EnvironmentFault, UsageError, WrongState
from shardmill.contract.settings import Settings
from shardmill.ledger.ledger import Ledger
from shardmill.monitor import locate
from shardmill.monitor.watcher import Watcher
from shardmill.producer.job_handle import Job
from shardmill.producer.output_lock import OutputLock
from shardmill.report import summary
from shardmill.storage import scratch

FAR_BELOW_PATIENCE_S = 30.0
"""Who waits for Redis waits 300 s; a second is promised, and a slow machine gets more."""


class Run:
    """An embedded run as others see it: a lock, a job at work, a private Redis."""

    def __init__(self, redis_server: str, out: Path) -> None:
        self._out = OutDir(str(out))
        self._directory = scratch.make("run", longest_parent=60)
        socket = f"{self._directory}/redis.sock"
        self.settings = Settings(redis_url=f"unix://{socket}")
        self._redis = subprocess.Popen(
            [redis_server, "--port", "0", "--unixsocket", socket, "--save", "", "--logfile", "log"],
            cwd=self._directory,
        )
        wait_for(lambda: os.path.exists(socket), "the private Redis")
        self._lock = OutputLock(self._out.layout, redis_url=self.settings.redis_url)
        self._ledger = Ledger(self.settings, patience_s=FAR_BELOW_PATIENCE_S)
        self.job = self._out.job(inputs=1)
        self._ledger.open(self.job, {"inputs": 1}, run=self._ledger.new_run())

    def end(self) -> None:
        """End as a run does: the last row, the summary, the lock, Redis, the directory."""
        if self._redis.poll() is None:
            self._out.shard("b1", Video("a.mp4"))
            summary.finish(self.job)
            self._lock.close()
            self.fail()

    def fail(self) -> None:
        """End before anything is done."""
        self._ledger.close_connections()
        self._redis.kill()
        self._redis.wait()
        self._lock.close()
        shutil.rmtree(self._directory)


@pytest.fixture
def run(redis_server: str, tmp_path: Path) -> Iterator[Run]:
    run = Run(redis_server, tmp_path / "out")
    yield run
    run.end()


@pytest.fixture(params=["out", "name"])
def asked(request: pytest.FixtureRequest, run: Run) -> str:
    """What the job is called by who asks for it."""
    return run.job.out if request.param == "out" else run.job.name


class Between(Watcher):
    """Does something after the first look at a job."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self.states: list[str] = []

    def progress(self, progress) -> None:
        self.states.append(progress.snapshot.state)
        self._act()


@pytest.fixture
def ends_when_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the run between finding its Redis and asking it."""
    find = locate.find

    def find_and_end(*arguments) -> locate.Place:
        place = find(*arguments)
        assert place.settings is not None
        assert place.settings.redis_url == run.settings.redis_url
        run.end()
        return place

    monkeypatch.setattr(locate, "find", find_and_end)


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < FAR_BELOW_PATIENCE_S


def test_who_watches_sees_it_done(run, asked):
    watcher = Between(run.end)

    status = api.watch(asked, watcher=watcher)

    assert watcher.states == ["running"]
    assert (status.state, status.tally.ok) == ("done", 1)


def test_who_watches_sees_that_it_stopped(run, asked):
    status = api.watch(asked, watcher=Between(run.fail))

    assert (status.state, status.reason) == ("paused", summary.INTERRUPTED)


def test_who_waits_for_the_job_itself_is_told_that_its_redis_is_gone(run):
    job = Job(run.job.name, run.job.out, run.settings)

    with pytest.raises(EnvironmentFault, match="expected Redis to answer"):
        job.wait(Between(run.fail))


def test_who_asks_how_far_it_is_sees_it_done(run, ends_when_found):
    assert api.status(run.job.out).state == "done"


def test_who_asks_by_a_name_that_only_the_run_knew_is_told_so(run, ends_when_found):
    with pytest.raises(UsageError, match="got 'test': `shardmill list` shows the jobs"):
        api.status(run.job.name)


@pytest.mark.parametrize("verb", [api.pause, api.resume, api.cancel])
def test_who_steers_is_told_that_it_is_done(run, ends_when_found, verb):
    with pytest.raises(WrongState, match="out is done: nothing is left to do"):
        verb(run.job.out)


def test_who_resumes_a_run_need_send_nothing_once_it_has_ended(run, monkeypatch):
    """What was paused may have been all that was left: the run ends as soon as it is resumed."""
    api.pause(run.job.out)
    shift = Ledger.set_state

    def shift_and_end(ledger: Ledger, *arguments, **options) -> bool:
        shifted = shift(ledger, *arguments, **options)
        snapshot = ledger.snapshot(run.job.name)
        run.end()
        monkeypatch.setattr(Ledger, "snapshot", lambda *_: snapshot)
        return shifted

    monkeypatch.setattr(Ledger, "set_state", shift_and_end)

    assert api.resume(run.job.out).state == "running"
