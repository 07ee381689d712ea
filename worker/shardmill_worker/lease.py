"""A worker's hold on one batch, from claim to commit."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from shardmill.contract.batch import Batch
from shardmill.contract.errors import LedgerUnavailable
from shardmill.ledger.answers import Live
from shardmill.ledger.ledger import Ledger

COMMIT_PATIENCE_S: Final = 20.0
"""How long a commit waits for a Redis that is away; the data is durable by then anyway."""
COMMIT_PAUSE_S: Final = 0.5
PROGRESS_EVERY_S: Final = 1.0


class Lease:
    """A claimed batch.  ``fence`` tells this claim from later ones, ``tell`` people how it goes."""

    def __init__(
        self,
        ledger: Ledger,
        job: str,
        batch_id: str,
        *,
        fence: int,
        lease_s: float,
        tell: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._job = job
        self._batch_id = batch_id
        self._fence = fence
        self._lease_s = lease_s
        self.tell = tell
        self.beat_every_s = min(lease_s / 3, PROGRESS_EVERY_S)

    def beat(self, live: Live) -> Literal["held", "lost"]:
        """Renew the lease; while Redis is away nobody else can have it, so it counts as held."""
        try:
            answer = self._ledger.beat(
                self._job,
                self._batch_id,
                fence=self._fence,
                lease_s=self._lease_s,
                live=live,
            )
        except LedgerUnavailable:
            return "held"
        return "held" if answer == "held" else "lost"

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease from a thread of its own while the body runs."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(self.beat_every_s):
                self.beat(Live())

        thread = threading.Thread(target=keep, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def release(self) -> None:
        """Give the batch back, uncharged; if Redis is away the lease simply runs out."""
        try:
            self._ledger.release(self._job, self._batch_id, fence=self._fence)
        except LedgerUnavailable:
            return

    def commit(self, counters: Mapping[str, int], children: Mapping[str, Batch]) -> None:
        """Count the batch, waiting a while for a Redis that is away.

        Raises:
            LedgerUnavailable: It stayed away; the next attempt finds the manifest part.
        """
        deadline = time.monotonic() + COMMIT_PATIENCE_S
        while True:
            try:
                self._ledger.commit(self._job, self._batch_id, counters=counters, children=children)
            except LedgerUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(COMMIT_PAUSE_S)
            else:
                return
