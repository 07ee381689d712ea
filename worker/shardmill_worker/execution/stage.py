"""What an attempt does with a batch: probe it, extract it, finish the job.

Each stage ends by committing what it found to the output directory and returns what the ledger
is to count, and the batches that follow.  An item that brings its decoder down is put off into
a batch of its own, for one more try in a fresh decoder; the second time it fails for good.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.batch import Batch
from shardmill.contract.errors import (
    DecoderCrash,
    EnvironmentFault,
    ItemError,
)
from shardmill.contract.schema import Facts, Item, Outcome, Row
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.tally import Tally
from shardmill.ledger.answers import Claim
from shardmill.ledger.telemetry import Failure, Live
from shardmill.storage import files
from shardmill_worker.engine.work import (
    ROWS,
    Answer,
    Depth,
    Divided,
    ExtractWork,
    PartWriting,
    ProbeWork,
)
from shardmill_worker.execution import planner
from shardmill_worker.execution.attempt_dir import Workplace
from shardmill_worker.execution.finishing import finish
from shardmill_worker.execution.lease import Lease
from shardmill_worker.execution.supervisor import LeaseLost, Limits, Slot

MAX_UNBLAMED_DEATHS: Final = 2
"""Decoders that may die after their last item, while finishing a shard, in one attempt; then the
batch is halved until the item that does it is alone."""

NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Done(Struct, frozen=True):
    """What an attempt leaves to the ledger."""

    counters: dict[str, int]
    children: tuple[Batch, ...] = ()
    committed: bool = True
    """Whether a manifest part tells who was first; if none does, the lease has to."""
    shortfall: str = ""
    """Why the job cannot end as done."""
    failures: tuple[Failure, ...] = ()
    """The last files that failed, for people to see."""


class Stages:
    """One claimed batch in the hands of one slot."""

    def __init__(
        self, job: Job, claim: Claim, *, worker: str, slot: Slot, lease: Lease, idle_s: float
    ) -> None:
        self._job = job
        self._layout = Layout(job.out)
        self._worker = worker
        self._claim = claim
        self._slot = slot
        self._lease = lease
        self._idle_s = idle_s
        self._may_be_committed = False
        spec = job.spec
        self._depth: Depth = "check" if spec.check else "count" if spec.count_frames else "header"

    def do(self, batch_id: str) -> Done:
        """Do the claimed batch and commit what it gave to the output directory.

        Raises:
            EnvironmentFault: This machine cannot do it now.
            DatasetDamaged: What an earlier attempt committed cannot be read.
            ShuttingDown: The worker is ending.
            LeaseLost: The batch is no longer ours.
        """
        assert self._claim.batch is not None
        if self._claim.batch.stage == "finish":
            shortfall = finish(
                self._job, self._claim, worker=self._worker, slot=self._slot, lease=self._lease
            )
            return Done({}, committed=False, shortfall=shortfall)
        workplace = Workplace(self._layout, batch_id, self._claim.attempt)
        workplace.enter(self._lease)
        try:
            return self._do(batch_id)
        except BaseException:
            if not self._may_be_committed:  # what is committed is no longer ours to remove
                self._withdraw_shards(batch_id)
            raise
        finally:
            workplace.remove()

    def _do(self, batch_id: str) -> Done:
        claim, batch = self._claim, self._claim.batch
        assert batch is not None
        if os.path.exists(self._layout.part(batch_id)):
            return self._take_up(batch, batch_id)
        if claim.verdict == "exhausted":
            return self._give_up(batch, batch_id, vanished=claim.attempts - 1)
        if batch.stage == "probe" and self._job.goal == "extract":
            return self._probe(batch, batch_id)
        return self._write(batch, batch_id)

    def _withdraw_shards(self, batch_id: str) -> None:
        """Remove the shards of this attempt, which has not committed: its decoder cannot."""
        mine = f"{batch_id}-{self._claim.attempt}."
        for path in self._layout.made_files():
            if mine in os.path.basename(path):
                files.remove(path)

    def _take_up(self, batch: Batch, batch_id: str) -> Done:
        """Count what another attempt committed, and go on with what it left."""
        files.sync_directory(self._layout.manifest)  # it may have died before it came to that
        rows = _rows_of(self._layout.part(batch_id))
        known = {(row.item.path, row.item.segment) for row in rows}
        left = [(item.path, item.segment) not in known for item in batch.items]
        rest = batch.only(left)
        return _done(batch, rows, (rest,) if rest.items else ())

    def _give_up(self, batch: Batch, batch_id: str, *, vanished: int) -> Done:
        """Find the item that takes whole workers down: by halves, until it fails alone."""
        if len(batch.items) > 1:
            return Done({}, batch.halves(), committed=False)
        error = DecoderCrash(f"{vanished} workers vanished while they worked on this file")
        outcome = Outcome.of_error(error, stage=batch.stage, attempts=vanished)
        facts = batch.facts[0] if batch.facts else Facts()
        return self._commit_rows(batch, batch_id, [Row(batch.items[0], facts, outcome)])

    def _probe(self, batch: Batch, batch_id: str) -> Done:
        """Find out what is to be extracted, and plan it."""
        sound: list[tuple[Item, Facts]] = []
        file_count = 0
        ended: list[tuple[Item, Outcome]] = []
        deferred: list[Batch] = []
        began_s = time.perf_counter()
        for item, result in self._probe_each(batch):
            if isinstance(result, Batch):
                deferred.append(result)
            elif isinstance(result, Outcome):
                ended.append((item, result))
            else:
                file_count += 1
                sound += [(part, result.facts) for part in result.items]
        probe_s = (time.perf_counter() - began_s) / len(batch.items)
        ledger_s = self._lease.ledger_s / len(batch.items)
        told: Any = {"worker": self._worker, "probe_s": probe_s, "ledger_s": ledger_s}
        rows = [Row(item, Facts(), replace(outcome, **told)) for item, outcome in ended]
        items, facts = tuple(zip(*sound, strict=True)) if sound else ((), ())
        found = Batch("extract", items, facts, probe_s=probe_s * file_count / max(1, len(sound)))
        planned = planner.plan(found, self._job.spec)
        ahead = planner.total(items, facts, self._job.spec)
        counters = {
            "inputs": len(sound) - file_count,
            "probed": len(sound),
            "planned_frames": ahead.frames_kept,
            "planned_us": ahead.cost_us,
            "planned_ms2": planner.scatter_ms2(items, facts, self._job.spec),
        }
        return self._commit_rows(batch, batch_id, rows, [*planned, *deferred], counters)

    def _probe_each(self, batch: Batch) -> Iterator[tuple[Item, Divided | Outcome | Batch]]:
        """Yield for each item what it is, why not, or the batch in which it gets one more try."""
        position = 0
        while position < len(batch.items):
            rest = batch.part(position, len(batch.items))
            work = self._probe_work(rest)
            try:
                for result in self._stream(work, rest):
                    item = batch.items[position]
                    whole = Divided(result, (item,)) if isinstance(result, Facts) else result
                    yield item, whole
                    position += 1
            except ItemError as error:
                if position == len(batch.items):
                    return  # every answer is here: what the decoder died of is its own affair
                yield batch.items[position], self._blame(error, batch, position)
                position += 1

    def _write(self, batch: Batch, batch_id: str) -> Done:
        """Have the decoder write the rows of a batch, and its shard."""
        left, judged, deferred = batch, dict[int, Outcome](), list[Batch]()
        unblamed_deaths = 0
        while left.items:
            try:
                for _ in self._stream(self._writing_work(left, batch_id, judged), left):
                    pass
                return self._commit_written(left, batch_id, deferred)
            except ItemError as error:
                answered = self._slot.finished
                if answered == len(left.items):
                    unblamed_deaths += 1
                    if unblamed_deaths < MAX_UNBLAMED_DEATHS:
                        continue
                    if answered > 1:
                        return Done({}, (*left.halves(), *deferred), committed=False)
                    answered = 0
                blame = self._blame(error, left, answered)
            if isinstance(blame, Outcome):
                judged[answered] = blame
            elif batch.stage == "probe":
                # The guilty one gets its try alone: so no item is done more than twice.
                return Done({}, (*left.around(answered), blame), committed=False)
            else:
                deferred.append(blame)
                left = left.only([i != answered for i in range(len(left.items))])
                judged = {i - (i > answered): outcome for i, outcome in judged.items()}
        return Done({}, tuple(deferred), committed=False)

    def _blame(self, error: ItemError, batch: Batch, position: int) -> Outcome | Batch:
        """Return the failure of an item that brought its decoder down, or its one more try."""
        if error.worth_retrying and not batch.last_chance:
            return replace(batch.part(position, position + 1), last_chance=True)
        attempts = 2 if batch.last_chance else 1
        outcome = Outcome.of_error(error, stage=batch.stage, attempts=attempts)
        return replace(outcome, worker=self._worker)

    def _stream(self, work: ProbeWork | ExtractWork, batch: Batch) -> Iterator[Answer]:
        spec = self._job.spec
        facts: Sequence[Facts | None] = batch.facts or (None,) * len(batch.items)
        limits = Limits(
            item_s=[
                planner.timeout_s(item, known, spec)
                for item, known in zip(batch.items, facts, strict=True)
            ],
            frame_s=planner.FRAME_S if spec.item_timeout_s is None else 0.0,
            # Whoever allows an item an hour allows its hardest frame as much.
            idle_s=max(self._idle_s, spec.item_timeout_s or 0.0),
            memory_bytes=spec.item_memory_bytes,
        )
        whole = planner.total(batch.items, batch.facts, spec)

        def beat(decoded: int) -> Literal["held", "lost"]:
            share = min(1.0, decoded / whole.frames) if whole.frames else 0.0
            live = Live.at(
                batch.items[min(self._slot.finished, len(batch.items) - 1)].path,
                worked_us=round(share * whole.cost_us),
                frames=round(share * whole.frames_kept),
                whole_us=whole.cost_us,
                worker=self._worker,
                stage=batch.stage,
                answered=self._slot.finished,
                items=len(batch.items),
            )
            through = f"{self._slot.finished}/{len(batch.items)} files"
            frames = f", {live.frames:,}/{whole.frames_kept:,} frames" if batch.facts else ""
            self._lease.tell(through + frames)
            return self._lease.beat(live)

        every_s = self._lease.beat_every_s
        return self._slot.stream(work, limits=limits, beat=beat, beat_every_s=every_s)

    def _probe_work(self, batch: Batch, writes: PartWriting | None = None) -> ProbeWork:
        return ProbeWork(
            roots=self._job.roots,
            items=batch.items,
            depth=self._depth,
            spec=None if self._job.goal == "probe" else self._job.spec,
            keep_partial=self._job.spec.keep_partial,
            writes=writes,
        )

    def _writing_work(
        self, batch: Batch, batch_id: str, judged: dict[int, Outcome]
    ) -> ProbeWork | ExtractWork:
        if batch.stage == "probe":
            writes = PartWriting(
                tmp=self._waiting(batch_id),
                worker=self._worker,
                ledger_s=self._lease.ledger_s,
                judged=judged,
            )
            return self._probe_work(batch, writes)
        return ExtractWork(
            roots=self._job.roots,
            out=self._job.out,
            spec=self._job.spec,
            batch_id=batch_id,
            attempt=self._claim.attempt,
            worker=self._worker,
            items=batch.items,
            facts=batch.facts,
            probe_s=batch.probe_s,
            ledger_s=self._lease.ledger_s,
            judged=judged,
        )

    def _commit_rows(
        self,
        batch: Batch,
        batch_id: str,
        rows: list[Row],
        children: Sequence[Batch] = (),
        ahead: Mapping[str, int] = NOTHING,
    ) -> Done:
        """Commit rows that need no shard; what is ``ahead`` counts with them, if they are first."""
        counters = _sum(_counters(batch, Tally.of(rows)), ahead)
        if not rows:
            return Done(counters, tuple(children), committed=False)
        from shardmill.dataset.manifest import write_part  # see ``_rows_of``

        waiting = self._waiting(batch_id)
        write_part(waiting, rows)
        if not self._commit(waiting, batch_id):
            return self._take_up(batch, batch_id)
        return Done(counters, tuple(children), failures=Failure.last(rows))

    def _commit_written(self, batch: Batch, batch_id: str, deferred: list[Batch]) -> Done:
        """Commit the rows that the decoder wrote, and with them its shard."""
        waiting, tally = self._waiting(batch_id), self._slot.tally
        assert tally is not None
        failures = Failure.last(_rows_of(waiting)) if tally.failed else ()
        if not self._commit(waiting, batch_id):
            self._withdraw_shards(batch_id)
            return self._take_up(batch, batch_id)
        worked = {
            "worked_us": planner.total(batch.items, batch.facts, self._job.spec).cost_us,
            "inputs": tally.items - len(batch.items),  # clips of a file whose frames are chosen
        }
        counters = _sum(_counters(batch, tally), worked)
        return Done(counters, tuple(deferred), failures=failures)

    def _waiting(self, batch_id: str) -> str:
        """Return where the attempt's manifest part waits for its commit."""
        return os.path.join(self._layout.attempt(batch_id, self._claim.attempt), ROWS)

    def _commit(self, waiting: str, batch_id: str) -> bool:
        """Give a written manifest part its name: the commit.  False if another was first."""
        part = self._layout.part(batch_id)
        self._may_be_committed = True
        try:
            self._may_be_committed = files.publish(waiting, part)
        except FileNotFoundError as error:
            self._may_be_committed = False
            if not os.path.exists(waiting):
                raise LeaseLost from error  # who came after us has taken it away
            manifest = self._layout.manifest
            raise EnvironmentFault(f"{manifest} is gone: run the same command again") from error
        if self._may_be_committed:
            files.sync_directory(self._layout.manifest)
        return self._may_be_committed


def _rows_of(part: str) -> list[Row]:
    """Return the rows of a manifest part.

    Raises:
        DatasetDamaged: It is none.
    """
    from shardmill.dataset.manifest import read_part  # which brings Arrow, mostly for nothing

    return list(read_part(part))


def _done(batch: Batch, rows: Sequence[Row], children: tuple[Batch, ...]) -> Done:
    """Return what committed rows leave to the ledger."""
    return Done(_counters(batch, Tally.of(rows)), children, failures=Failure.last(rows))


def _counters(batch: Batch, tally: Tally) -> dict[str, int]:
    probed = {"probed": tally.items} if batch.stage == "probe" else {}
    return tally.counters() | probed


def _sum(*counters: Mapping[str, int]) -> dict[str, int]:
    names = {name for part in counters for name in part}
    return {name: sum(part.get(name, 0) for part in counters) for name in names}
