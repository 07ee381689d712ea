"""A worker's hold on one batch, from claim to commit."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from shardmill.contract.batch import Batch
from shardmill.contract.errors import LedgerUnavailable
from shardmill.ledger.answers import Committed
from shardmill.ledger.ledger import Ledger
from shardmill.ledger.telemetry import Live, Telemetry

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
        self._renewal: threading.Thread | None = None
        self._heard: Literal["held", "lost"] = "held"
        self.ledger_s = 0.0
        """Seconds that getting the batch took, until work on it could begin."""
        self.heartbeat_every_s = min(lease_s / 3, PROGRESS_EVERY_S)

    def heartbeat(self, live: Live) -> Literal["held", "lost"]:
        """Have the lease renewed, and return at once what was heard the last time.

        A slot watches its decoder meanwhile: Redis may take seconds to answer, or not to.
        """
        asking = self._renewal is not None and self._renewal.is_alive()
        if self._heard == "held" and not asking:
            self._renewal = threading.Thread(
                target=self._renew, args=(live,), name="lease", daemon=True
            )
            self._renewal.start()
        return self._heard

    def _renew(self, live: Live) -> None:
        """Renew the lease; while Redis is away nobody else can have it, so it counts as held."""
        try:
            answer = self._ledger.heartbeat(
                self._job,
                self._batch_id,
                fence=self._fence,
                lease_s=self._lease_s,
                live=live,
            )
        except LedgerUnavailable:
            return
        if answer != "held":
            self._heard = "lost"

    def holds(self) -> bool:
        """Tell whether the batch is ours still, beyond doubt; renews the lease.

        Raises:
            LedgerUnavailable: Redis is away.
        """
        answer = self._ledger.heartbeat(
            self._job, self._batch_id, fence=self._fence, lease_s=self._lease_s, live=Live()
        )
        return answer == "held"

    def release(self) -> bool:
        """Give the batch back, uncharged; False if it was not ours any more, or Redis is away."""
        try:
            return self._ledger.release(self._job, self._batch_id, fence=self._fence)
        except LedgerUnavailable:
            return False  # the lease simply runs out

    def commit(
        self,
        counters: Mapping[str, int],
        children: Sequence[Batch],
        *,
        only_if_held: bool,
        telemetry: Telemetry,
    ) -> Committed:
        """Count the batch, waiting a while for a Redis that is away; tell whether it was the last.

        Args:
            counters: What to add to the job's counters.
            children: Batches that follow from this one.
            only_if_held: Not if another has claimed it since: no file tells who was first.
            telemetry: What people are to see of it while the job runs.

        Raises:
            LedgerUnavailable: It stayed away; the next attempt finds the manifest part.
        """
        deadline = time.monotonic() + COMMIT_PATIENCE_S
        while True:
            try:
                return self._ledger.commit(
                    self._job,
                    self._batch_id,
                    counters=counters,
                    children=children,
                    fence=self._fence if only_if_held else None,
                    telemetry=telemetry,
                )
            except LedgerUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(COMMIT_PAUSE_S)
