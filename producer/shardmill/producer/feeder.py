"""The producer: takes possession of an output directory, then feeds batches into the window."""

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.errors import (
    DatasetDamaged,
    EnvironmentFault,
    LedgerUnavailable,
    OutputConflict,
)
from shardmill.contract.location.confinement import confine
from shardmill.contract.settings import Settings, window_of
from shardmill.contract.spec import CONTENT_VERSION
from shardmill.dataset import leftovers
from shardmill.dataset.holder import Holder
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.ledger import messages
from shardmill.ledger.application import application
from shardmill.ledger.ledger import Ledger
from shardmill.monitor.locate import at_work_elsewhere
from shardmill.monitor.watcher import Watcher
from shardmill.producer.check_workers_see import check_reach
from shardmill.producer.output_lock import OutputLock
from shardmill.producer.request import Request
from shardmill.storage import files, scratch

if TYPE_CHECKING:
    from shardmill.producer.preparation import Preparation

WINDOW_PAUSE_S: Final = 0.05
"""How often a full window is looked at."""
RESUMES: Final = 3
"""How often an earlier run is resumed that pauses again and again."""
PATIENCE_S: Final = 300.0
"""How long a Redis that was there may be away: a restart is no reason to give a night's job up."""


class Feeder:
    """Feeds one job from this process; holds the output directory's lock meanwhile."""

    def __init__(self, request: Request, settings: Settings, watcher: Watcher) -> None:
        self._request = request
        self._settings = settings
        self._note = watcher.note
        confine(settings.root_list)
        self._layout = Layout(request.out)
        self._app = application(settings)
        self._ended = threading.Event()
        self._ledger = Ledger(settings, patience_s=PATIENCE_S, ended=self._ended)
        self._feeding = threading.Lock()
        self._scratch = scratch.make("catalog")
        self._preparation: Preparation | None = None
        self._lock: OutputLock | None = None
        self._batches: list[Batch] = []
        self.run = self._ledger.new_run()
        """Tells this opening of the job from others."""

    def prepare(self) -> Job:
        """Enumerate, compare, and open the job in the ledger; nothing is sent yet.

        Raises:
            UsageError: There is nothing to do, or the output directory belongs to others.
            EnvironmentFault: The output directory cannot be written, or Redis does not answer.
        """
        request = self._request
        # An unreachable Redis, or worker without the directories, is told before long enumerating.
        check_reach(self._app, len(self._ledger.workers()), request)
        from shardmill.producer.preparation import Preparation  # Arrow and DuckDB: workers start

        preparation = Preparation(request, self._scratch, self._note)
        self._preparation = preparation
        if not request.retry:
            preparation.enumerate()
        try:
            self._take_possession()
            self._await_earlier_work()
            leftovers.end_attempts(self._layout)
            preparation.compare()
            self._batches = preparation.write_work(self.run)
            job = Job(
                name=request.name,
                root=request.root,
                more_roots=request.more_roots,
                list_file=request.list_file,
                out=request.out,
                spec=request.spec,
                goal=request.goal,
                inputs=preparation.inputs,
                started_s=time.time(),
            )
            job.write()
        except OSError as error:
            if isinstance(error, EnvironmentFault):
                raise
            raise EnvironmentFault(f"cannot write in {request.out}: {error.strerror}") from error
        self._ledger.open(job, preparation.counters(), run=self.run)
        preparation.close()
        return job

    def _take_possession(self) -> None:
        made = files.make_directories(self._layout.out)
        try:
            url = self._settings.shown_url
            self._lock = OutputLock(self._layout, redis_url=url, admit=self._check_idle_elsewhere)
            files.check_file_system(self._layout.out)
        except BaseException:
            if self._lock is not None:
                self._lock.close()
                if made:
                    files.remove(self._layout.lock)
            with suppress(OSError):  # another may have begun in it meanwhile
                for folder in made:
                    os.rmdir(folder)
            raise
        if self._request.overwrite:
            self._clear()
        self._layout.make()

    def _check_idle_elsewhere(self, before: Holder | None) -> None:
        """See that the last producer left no work to another cluster, before its note is lost."""
        if before is not None and at_work_elsewhere(self._request.name, before, self._settings):
            raise OutputConflict(
                f"{self._layout.out} is in work on the cluster at {before.redis_url}: go on there, "
                f"or first `shardmill cancel {self._request.name} --redis {before.redis_url}`"
            )

    def _clear(self) -> None:
        """Remove another job's work, whatever is left of it."""
        try:
            before = Job.read(self._layout.out)
        except DatasetDamaged:
            before = None
        wanted = (self._request.spec.key, self._request.goal, CONTENT_VERSION)
        if before and (before.spec.key, before.goal, before.content_version) == wanted:
            return
        leftovers.end_attempts(self._layout)
        leftovers.remove(self._layout, leftovers.everything(self._layout))

    def _await_earlier_work(self) -> None:
        """Let the workers end what an earlier producer, now dead, had put in flight."""
        name, told, resumed = self._request.name, False, 0
        while (snapshot := self._ledger.snapshot(name)) is not None:
            if not snapshot.inflight:
                # A job that runs would be ended while its output directory is compared.
                reason = "the same command goes on"
                if not self._ledger.set_state(name, "paused", reason=reason, allowed=["running"]):
                    return
                continue
            if snapshot.state == "paused":
                # A slot may pause it late, over what is mended by now, and what ends the earlier
                # run may find fault with OUT, which is put in order afterwards.
                if resumed < RESUMES or snapshot.finishing:
                    self._ledger.set_state(name, "running", allowed=["paused"])
                    resumed += 1
                elif not snapshot.leased:  # its tables may be damaged: new ones are written
                    self._note(f"an earlier run cannot end and is begun anew: {snapshot.reason}")
                    return
            if not told:
                self._note(f"{snapshot.inflight} batches of an earlier run are still in work")
                told = True
            if self._ended.wait(WINDOW_PAUSE_S):
                raise EnvironmentFault("ended while waiting for an earlier run")

    def feed(self, job: Job) -> None:
        """Put every batch in flight as the window allows, then tell that there are no more.

        Raises:
            EnvironmentFault: Redis does not answer, or knows the job no longer.
        """
        with self._feeding:
            if not self._ended.is_set():
                self._feed(job)

    def _feed(self, job: Job) -> None:
        for number, batch in enumerate(self._batches, start=1):
            if not self._reserve(job, batch, number):
                return
            self._send(job, batch)
        self._ledger.close(job.name, batches=len(self._batches))
        if self._ledger.enqueue_finish(job.name):
            self._send(job, FINISH)

    def _send(self, job: Job, batch: Batch) -> None:
        with suppress(LedgerUnavailable):  # a worker finds it missing and sends it
            messages.send(self._app, job.name, [batch])

    def _reserve(self, job: Job, batch: Batch, number: int) -> bool:
        """Wait for room in the window; False if the job has ended meanwhile."""
        while not self._ended.is_set():
            answer = self._ledger.reserve(
                job.name,
                batch,
                window=self._settings.window or window_of(self._ledger.slots()),
                number=number,
            )
            if answer in {"reserved", "known"}:
                return True
            if answer in {"unknown", "behind"}:
                raise EnvironmentFault(
                    f"Redis has lost job {job.name}, or a part of it: run the same command again "
                    "to go on"
                )
            if answer not in {"full", "paused"}:
                return False
            self._ended.wait(WINDOW_PAUSE_S)
        return False

    def close(self) -> None:
        """Give everything up, once ``feed`` has returned: lock, catalog, connections."""
        self._ended.set()
        with self._feeding:
            if self._preparation is not None:
                self._preparation.close()
            scratch.remove(self._scratch)
            if self._lock is not None:
                self._lock.close()
            self._app.close()
            self._ledger.close_connections()
