"""What an attempt does with a batch: has a decoder do its stage, then commits what that wrote.

A row that brings its decoder down gets a batch of its own, for one more try in a fresh decoder; the
second time it fails for good.  What precedes and what follows it are batches of their own then, so
no row is done more than twice for the fault of another.
"""

import os
import time
from contextlib import suppress
from typing import Final, Literal

from msgspec.structs import replace

from shardmill.contract.batch import Batch
from shardmill.contract.errors import DatasetDamaged, DecoderCrash, EnvironmentFault, ItemError
from shardmill.contract.schema import Outcome
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest_store import ManifestStore
from shardmill.ledger.answers import Claim
from shardmill.ledger.telemetry import Live
from shardmill.storage import files
from shardmill_worker.engine.gauges import Shared
from shardmill_worker.execution.attempt_dir import AttemptDir
from shardmill_worker.execution.finishing import finish
from shardmill_worker.execution.in_decoder.work import (
    BatchWork,
    CommittedWork,
    StageResult,
    Work,
)
from shardmill_worker.execution.lease import Lease
from shardmill_worker.execution.supervisor import LeaseLost, Limits, ShuttingDown, Slot

MAX_UNBLAMED_DEATHS: Final = 2
"""Decoders that may die behind their last row, while finishing a shard, in one attempt; then the
batch is halved until the row that does it is alone."""
FRAME_S: Final = 0.05
"""Each decoded frame adds so much to a row's time: headers may claim too few."""
VISIBLE_S: Final = 75.0
"""A network file system may show a new table only after its caches have expired, 60 s at most."""
LOOK_EVERY_S: Final = 0.5


class Stage:
    """One claimed batch in the hands of one slot."""

    def __init__(
        self, job: Job, claim: Claim, *, worker: str, slot: Slot, lease: Lease, idle_s: float
    ) -> None:
        assert claim.batch is not None
        self._job = job
        self._layout = Layout(job.out)
        self._store = ManifestStore(self._layout)
        self._worker = worker
        self._claim = claim
        self._batch = claim.batch
        self._slot = slot
        self._lease = lease
        self._idle_s = idle_s
        self._may_be_committed = False

    def do(self) -> StageResult:
        """Do the claimed batch and commit what it gave to the output directory.

        Raises:
            EnvironmentFault: This machine cannot do it now.
            DatasetDamaged: What an earlier attempt committed, or the batch's table, cannot be read.
            ShuttingDown: The worker is ending.
            LeaseLost: The batch is no longer ours.
        """
        if self._batch.stage == "finish":
            shortfall = finish(
                self._job, self._claim, worker=self._worker, slot=self._slot, lease=self._lease
            )
            return StageResult(shortfall=shortfall)
        self._await_table()
        attempt_dir = AttemptDir(self._layout, self._batch.id, self._claim.attempt)
        attempt_dir.enter(self._lease)
        try:
            return self._do()
        except BaseException:
            if not self._may_be_committed:  # what is committed is no longer ours to remove
                self._withdraw_shards()
            raise
        finally:
            attempt_dir.remove()

    def _await_table(self) -> None:
        """Wait until the batch's table can be seen here.

        Raises:
            EnvironmentFault: It stays away.
        """
        path = self._layout.table(self._claim.run, self._batch.table)
        deadline = time.monotonic() + VISIBLE_S
        while not os.path.exists(path):
            if not os.path.isdir(self._layout.work):
                raise EnvironmentFault(f"{self._layout.work} is gone: run the same command again")
            if time.monotonic() >= deadline:
                raise EnvironmentFault(
                    f"{path} is not there, {VISIBLE_S:.0f} s after its batch was sent: run the "
                    "same command again"
                )
            if self._slot.stopping.wait(LOOK_EVERY_S):
                raise ShuttingDown
            if self._lease.heartbeat(self._live("", 0)) == "lost":
                raise LeaseLost
            for folder in (self._layout.work, os.path.dirname(path)):
                with suppress(FileNotFoundError):  # the folder of a run is as new as its table
                    os.listdir(folder)  # which asks the server anew

    def _do(self) -> StageResult:
        if self._store.is_committed(self._batch.id):
            return self._count_committed()
        if self._claim.verdict == "exhausted":
            return self._give_up(vanished=self._claim.attempts - 1)
        deaths = 0
        while True:
            try:
                return self._commit(self._run(self._work()))
            except ItemError as error:
                fault, row = error, self._slot.finished
            if row < len(self._batch):
                return self._blame(fault, row)
            deaths += 1
            if deaths == MAX_UNBLAMED_DEATHS and len(self._batch) > 1:
                return StageResult(children=self._batch.halves())
            if deaths == MAX_UNBLAMED_DEATHS:
                return self._blame(fault, 0)

    def _withdraw_shards(self) -> None:
        """Remove the shards of this attempt, which has not committed: its decoder cannot."""
        mine = f"{self._batch.id}-{self._claim.attempt}."
        for path in self._layout.made_files():
            if mine in os.path.basename(path):
                files.remove(path)

    def _count_committed(self) -> StageResult:
        """Count what another attempt committed, and go on with what it left."""
        work = CommittedWork(job=self._job, run=self._claim.run, batch=self._batch)
        try:
            return self._run(work)
        except ItemError as error:
            raise DatasetDamaged(
                f"{self._layout.part(self._batch.id)} cannot be read: {error}"
            ) from error

    def _give_up(self, *, vanished: int) -> StageResult:
        """Find the row that takes whole workers down: by halves, until it fails alone."""
        if len(self._batch) > 1:
            return StageResult(children=self._batch.halves())
        error = DecoderCrash(f"{vanished} workers vanished while they worked on this file")
        return self._fail(self._batch, error, attempts=vanished)

    def _blame(self, error: ItemError, row: int) -> StageResult:
        """Give a row that brought its decoder down one more try, alone, or fail it for good."""
        batch = self._batch
        if error.worth_retrying and not batch.last_chance:
            guilty = batch.part(row, row + 1, last_chance=True)
            return StageResult(children=(*batch.around(row), guilty))
        guilty = batch if len(batch) == 1 else replace(batch.part(row, row + 1), id=batch.id)
        result = self._fail(guilty, error, attempts=2 if batch.last_chance else 1)
        return replace(result, children=(*batch.around(row), *result.children))

    def _fail(self, guilty: Batch, error: ItemError, *, attempts: int) -> StageResult:
        """Commit the row of an item that no decoder is to touch again."""
        outcome = Outcome.of_error(error, stage=guilty.stage, attempts=attempts)
        verdict = replace(outcome, worker=self._worker)
        try:
            return self._commit(self._run(replace(self._work(), batch=guilty, verdict=verdict)))
        except ItemError as fault:
            raise EnvironmentFault(f"cannot write the row of a failed file: {fault}") from fault

    def _work(self) -> BatchWork:
        return BatchWork(
            job=self._job,
            run=self._claim.run,
            batch=self._batch,
            attempt=self._claim.attempt,
            worker=self._worker,
            ledger_s=self._lease.ledger_s,
        )

    def _run(self, work: Work) -> StageResult:
        spec = self._job.spec
        limits = Limits(
            rows=len(self._batch),
            frame_s=FRAME_S if spec.item_timeout_s is None else 0.0,
            # Whoever allows an item an hour allows its hardest frame as much.
            idle_s=max(self._idle_s, spec.item_timeout_s or 0.0),
            memory_bytes=spec.item_memory_bytes,
        )
        first = self._slot.decoded

        def heartbeat(gauges: Shared) -> Literal["held", "lost"]:
            decoded = gauges.decoded - first
            share = min(1.0, decoded / gauges.frames) if gauges.frames else 0.0
            live = self._live(os.fsdecode(gauges.file), gauges.finished)
            live = replace(
                live,
                worked_us=round(share * gauges.cost_us),
                frames=round(share * gauges.frames_kept),
                whole_us=gauges.cost_us,
            )
            through = f"{gauges.finished}/{len(self._batch)} files"
            frames = f", {live.frames:,}/{gauges.frames_kept:,} frames"
            self._lease.tell(through + (frames if gauges.frames else ""))
            return self._lease.heartbeat(live)

        every_s = self._lease.heartbeat_every_s
        return self._slot.run(work, limits=limits, heartbeat=heartbeat, heartbeat_every_s=every_s)

    def _live(self, file: str, finished: int) -> Live:
        return Live.at(
            file or self._batch.subject,
            worker=self._worker,
            stage=self._batch.stage,
            answered=finished,
            items=len(self._batch),
        )

    def _commit(self, result: StageResult) -> StageResult:
        """Commit the rows that the decoder wrote, and with them its shard."""
        if not result.has_part:
            return result
        waiting = self._work().waiting_part
        self._may_be_committed = True
        try:
            self._may_be_committed = self._store.commit(waiting, self._batch.id)
        except FileNotFoundError as error:
            self._may_be_committed = False
            raise LeaseLost from error  # who came after us has taken it away
        except EnvironmentFault:
            self._may_be_committed = False
            raise
        if self._may_be_committed:
            return result
        self._withdraw_shards()
        return self._count_committed()
