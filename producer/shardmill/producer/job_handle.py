"""A job in the hands of a user: submit it, look at it, wait for it, steer it."""

import threading
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from shardmill.contract.errors import EnvironmentFault, LedgerUnavailable, ShardmillError
from shardmill.contract.settings import Settings
from shardmill.dataset.job import Status
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.ledger import Ledger
from shardmill.monitor.control import BY_HAND
from shardmill.monitor.locate import has_ended
from shardmill.monitor.notebook import showing
from shardmill.monitor.progress import Meter
from shardmill.monitor.watcher import Watcher
from shardmill.producer.feeder import PATIENCE_S, Feeder
from shardmill.producer.request import Request

POLL_S: Final = 0.2


def stopped(snapshot: Snapshot) -> bool:
    """Tell whether nothing goes on: done, paused or cancelled."""
    return snapshot.state != "running"


def given_up(snapshot: Snapshot) -> bool:
    """Tell whether nothing goes on and nobody has merely paused it by hand."""
    return stopped(snapshot) and not (snapshot.state == "paused" and snapshot.reason == BY_HAND)


def with_totals(snapshot: Snapshot) -> Snapshot:
    """Return a job with the totals of its summary if it is done and its OUT can be seen.

    The ledger counts a file with what became of its first item; the summary, with all of them.

    Raises:
        DatasetDamaged: The summary cannot be read.
    """
    found = Status.read(snapshot.out) if snapshot.state == "done" else None
    if found is None:
        return snapshot
    counters = {
        name: count for name, count in snapshot.counters.items() if not name.startswith("failed:")
    }
    tally = replace(found.tally, video_ns=Tally.from_counters(counters).video_ns)
    return replace(snapshot, inputs=found.inputs, counters=counters | tally.counters())


class Job:
    """A submitted job: made by ``submit``, or by its name to take up another process's."""

    def __init__(self, name: str, out: str, settings: Settings) -> None:
        self.name = name
        """Name in the ledger."""
        self.out = out
        """Output directory."""
        self._settings = settings
        self._ledger = Ledger(settings)
        self._feeder: Feeder | None = None
        self._feeding: threading.Thread | None = None
        self._feed_error: ShardmillError | None = None

    def __repr__(self) -> str:
        return f"<shardmill job {self.name} -> {self.out}>"

    def feed(self, feeder: Feeder) -> None:
        """Prepare the job, then feed it from a thread until everything is in flight."""
        prepared = feeder.prepare()

        def run() -> None:
            try:
                feeder.feed(prepared)
            except ShardmillError as error:
                self._feed_error = error

        self._feeder = feeder
        self._feeding = threading.Thread(target=run, name="feeder", daemon=True)
        self._feeding.start()

    def _look(self) -> Snapshot:
        if self._feed_error is not None:
            raise self._feed_error
        is_fed = self._feeding is not None and not self._feeding.is_alive()
        snapshot = self._ledger.snapshot(self.name)
        if snapshot is None:
            raise EnvironmentFault(
                f"Redis does not know job {self.name}: run the same command again to go on"
            )
        if self._went_back(snapshot, is_fed=is_fed):
            raise EnvironmentFault(
                f"Redis has lost a part of job {self.name}: run the same command again to go on"
            )
        return snapshot

    def _went_back(self, snapshot: Snapshot, *, is_fed: bool) -> bool:
        """Tell whether Redis shows a job as it was before this process opened it, or fed it.

        Redis may come back from a crash without its last seconds, and nobody would send the rest.
        """
        if self._feeder is None:
            return False
        of_another_run = snapshot.run != self._feeder.run
        return of_another_run or (
            is_fed and snapshot.state == "running" and not snapshot.enumerated
        )

    def status(self) -> Status:
        """Return how far the job is.

        Raises:
            EnvironmentFault: Redis does not answer or has lost the job.
        """
        return with_totals(self._look()).status(self.name)

    def wait_until_sent(self) -> None:
        """Wait until every batch is in flight, so that this process may end.

        Raises:
            EnvironmentFault: Redis does not answer or has lost the job.
        """
        while self._feeding is not None and self._feeding.is_alive():
            self._feeding.join(POLL_S)
        if self._feed_error is not None:
            raise self._feed_error

    def wait(
        self,
        watcher: Watcher | None = None,
        *,
        check: Callable[[], None] | None = None,
        until: Callable[[Snapshot], bool] = stopped,
    ) -> Status:
        """Wait until the job is done, paused or cancelled.

        Args:
            watcher: Is told the progress a few times a second; by default bars in a notebook.
            check: Called as often; raises to end the waiting.
            until: Tells whether to end the waiting.

        Raises:
            EnvironmentFault: Redis does not answer or has lost the job.
        """
        with showing(watcher) as shown:
            return self._wait(shown, check, until)

    def _wait(
        self,
        watcher: Watcher,
        check: Callable[[], None] | None,
        until: Callable[[Snapshot], bool],
    ) -> Status:
        meter, answered = Meter(self.name), time.monotonic()
        while True:
            if check is not None:
                check()
            try:
                snapshot = self._look()
            except LedgerUnavailable:
                in_vain = self._feed_error is not None or has_ended(self._settings)
                if in_vain or time.monotonic() - answered > PATIENCE_S:
                    raise
                time.sleep(POLL_S)
                continue
            answered, snapshot = time.monotonic(), with_totals(snapshot)
            watcher.progress(meter.read(snapshot))
            if until(snapshot):
                self.close()
                return snapshot.status(self.name)
            time.sleep(POLL_S)

    def pause(self) -> bool:
        """Give out no more work; what runs ends.  False if the job does not run."""
        return self._ledger.set_state(self.name, "paused", reason=BY_HAND, allowed=["running"])

    def resume(self) -> bool:
        """Go on after a pause.  False if the job is not paused."""
        return self._ledger.set_state(self.name, "running", allowed=["paused"])

    def cancel(self) -> bool:
        """End the job where it is.  False if it has ended already."""
        return self._ledger.set_state(self.name, "cancelled", allowed=["running", "paused"])

    def close(self) -> None:
        """Stop feeding and give up the connections; the same call to ``submit`` goes on later."""
        if self._feeder is not None:
            self._feeder.close()
            self._feeder = None
        self._ledger.close_connections()


def hand_over(request: Request, settings: Settings, watcher: Watcher) -> Job:
    """Begin a job, fed from a thread of this process; the caller closes it."""
    job = Job(request.name, request.out, settings)
    feeder = Feeder(request, settings, watcher)
    try:
        job.feed(feeder)
    except BaseException:
        feeder.close()
        job.close()
        raise
    return job
