"""Which rows of a batch follow and which fail when decoders die, or others had it before.

The slot is a fake one: it does its work in this process, or ends it as it is told to.
"""

import os
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from in_process_slot import InProcessSlot, batch_in
from made_media import pictures
from shardmill.contract.batch import FINISH, Batch
from shardmill.contract.errors import (
    DatasetDamaged,
    DecoderCrash,
    EnvironmentFault,
    InternalError,
    ItemError,
    ItemMemory,
    ItemTimeout,
)
from shardmill.contract.schema import Facts, Item, Outcome
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.dataset.manifest import read_columns, write_part
from shardmill.dataset.manifest_rows import Shared, items_table, manifest_table
from shardmill.dataset.work_table import TableReader
from shardmill.ledger.answers import CLAIM_BITS, Claim
from shardmill.storage import files
from shardmill_worker.execution import stage as stage_module
from shardmill_worker.execution.in_decoder.work import BatchWork, CommittedWork, StageResult
from shardmill_worker.execution.stage import Stage
from shardmill_worker.execution.supervisor import LeaseLost, ShuttingDown

RUN = "0000000a"
CRASH = DecoderCrash("the decoder was ended by SIGSEGV")
COUNT = 5


class Slot(InProcessSlot):
    """Ends its first pieces of work with errors at rows, as told, and does the others."""

    def __init__(self, *ends: tuple[int, Exception]) -> None:
        super().__init__()
        self._ends = list(ends)

    def run(self, work, **limits):
        if not self._ends:
            return super().run(work, **limits)
        self.done.append(work)
        self._gauges.finished, error = self._ends.pop(0)
        raise error


class Lease:
    """Held, until it is lost at a beat."""

    def __init__(self, *, lost_at: int | None = None) -> None:
        self.beats = 0
        self.ledger_s = 0.0
        self.heartbeat_every_s = 1.0
        self._lost_at = lost_at

    def heartbeat(self, live) -> str:
        self.beats += 1
        return "lost" if self.beats == self._lost_at else "held"

    def holds(self) -> bool:
        return True

    def tell(self, text: str) -> None:
        """Nobody looks."""


@pytest.fixture
def job(tmp_path) -> Job:
    media = pictures(tmp_path / "in", COUNT)
    made = Job(
        name="job",
        root=str(media),
        out=str(tmp_path / "out"),
        spec=Spec(size="16x12"),
        goal="probe",
    )
    made.layout.make()
    return made


def items_of(job: Job) -> list[Item]:
    return [
        Item(path=entry.name, size_bytes=entry.stat().st_size, mtime_ns=entry.stat().st_mtime_ns)
        for entry in sorted(os.scandir(job.root), key=lambda entry: entry.name)
    ]


@pytest.fixture
def batch(job) -> Batch:
    """All pictures, to probe."""
    return batch_in(job, RUN, items_of(job))


def stage_of(
    job: Job, batch: Batch, slot: InProcessSlot, *, lease: Lease | None = None, **claim: object
) -> Stage:
    asked = {"verdict": "claimed", "attempts": 1} | claim
    made = Claim(fence=int(RUN, 16) << CLAIM_BITS | 1, token="feedbeef", batch=batch, **asked)
    return Stage(job, made, worker="w", slot=slot, lease=lease or Lease(), idle_s=30)


def do(job: Job, batch: Batch, slot: InProcessSlot, **claim: object) -> StageResult:
    return stage_of(job, batch, slot, **claim).do()


def paths(job: Job, batches: Iterable[Batch]) -> list[tuple[str, ...]]:
    """Return the paths of the rows of each batch."""
    reader, folder = TableReader(), job.layout.work_of(RUN)
    return [
        tuple(
            os.fsdecode(path)
            for path in reader.read(folder, b.table, b.first, b.end)["path"].to_pylist()
        )
        for b in batches
    ]


def committed(job: Job, batch: Batch) -> dict[str, tuple[str, str | None, str | None, int | None]]:
    """Return what the manifest part of a batch holds, by path."""
    columns = ["status", "error_class", "error_message", "attempts"]
    rows = read_columns(job.layout.part(batch.id), ["path", *columns]).to_pylist()
    return {row["path"]: tuple(row[name] for name in columns) for row in rows}


def assert_nothing_is_left_behind(job: Job) -> None:
    assert os.listdir(job.layout.tmp) == []
    assert list(job.layout.made_files()) == []


@pytest.fixture
def listed(job) -> tuple[str, ...]:
    return tuple(item.path for item in items_of(job))


def test_a_batch_that_nothing_happens_to_is_committed_whole(job, batch, listed):
    done = do(job, batch, Slot())

    assert (done.has_part, done.children) == (True, ())
    assert {path: row[0] for path, row in committed(job, batch).items()} == dict.fromkeys(
        listed, "ok"
    )
    assert (done.counters["ok"], done.counters["probed"]) == (COUNT, COUNT)
    assert_nothing_is_left_behind(job)


@pytest.mark.parametrize("error", [CRASH, ItemTimeout("took long"), ItemMemory("needed much")])
@pytest.mark.parametrize("row", range(COUNT))
def test_a_row_that_brings_its_decoder_down_is_tried_once_more_alone(
    job, batch, listed, *, error, row
):
    done = do(job, batch, Slot((row, error)))

    ranges = [listed[:row], listed[row + 1 :], listed[row : row + 1]]
    assert paths(job, done.children) == [rows for rows in ranges if rows]
    assert [child.last_chance for child in done.children][-1]
    assert not any(child.last_chance for child in done.children[:-1])
    assert (done.has_part, done.counters) == (False, {}), "nothing is committed yet"
    assert job.layout.parts() == []
    assert_nothing_is_left_behind(job)


def test_a_row_that_does_so_again_fails_for_good_as_it_is_known(job, batch, listed):
    guilty = batch.part(2, 3, last_chance=True)

    done = do(job, guilty, Slot((0, CRASH)))

    assert done.children == ()
    assert committed(job, guilty) == {listed[2]: ("failed", "crash", str(CRASH), 2)}
    assert (done.counters["failed"], done.counters["probed"]) == (1, 1)
    assert [failure.path for failure in done.failures] == [listed[2]]
    assert_nothing_is_left_behind(job)


@pytest.mark.parametrize("row", [0, 2, COUNT - 1])
def test_an_error_of_shardmills_own_is_not_tried_again(job, batch, listed, row):
    """The row fails under the batch's own name, and the others follow."""
    bug = InternalError("ValueError: odd")

    done = do(job, batch, Slot((row, bug)))

    assert committed(job, batch) == {listed[row]: ("failed", "internal", str(bug), 1)}
    ranges = [listed[:row], listed[row + 1 :]]
    assert paths(job, done.children) == [rows for rows in ranges if rows]
    assert not any(child.last_chance for child in done.children)
    assert done.has_part, "the part decides which attempt counts"
    assert done.counters["probed"] == 1


def test_whoever_finds_that_commit_goes_on_with_the_same_batches(job, batch):
    """The attempt that made it died before the ledger heard of it."""
    first = do(job, batch, Slot((2, InternalError("odd"))))

    again = do(job, batch, Slot())

    assert {child.id for child in again.children} == {child.id for child in first.children}
    assert again.counters == first.counters
    assert again.failures == first.failures


def test_a_decoder_that_dies_behind_its_last_row_once_blames_nobody(job, batch):
    slot = Slot((COUNT, CRASH))

    done = do(job, batch, slot)

    assert (done.children, done.counters["ok"]) == ((), COUNT)
    assert len(slot.done) == 2


def test_a_decoder_that_dies_there_again_has_the_batch_halved(job, batch, listed):
    done = do(job, batch, Slot((COUNT, CRASH), (COUNT, CRASH)))

    assert paths(job, done.children) == [listed[:2], listed[2:]]
    assert not done.has_part


def test_of_two_rows_each_is_alone_then(job, batch, listed):
    done = do(job, batch.part(0, 2), Slot((2, CRASH), (2, CRASH)))

    assert paths(job, done.children) == [listed[:1], listed[1:2]]


@pytest.mark.parametrize("fault", [EnvironmentFault("full"), ShuttingDown(), LeaseLost()])
def test_the_shard_of_an_attempt_that_commits_nothing_goes(job, batch, fault):
    class Writes(Slot):
        def run(self, work, **limits):
            with open(job.layout.shard(f"part-{work.batch.id}-{work.attempt}.tar"), "wb"):
                raise fault

    other = job.layout.shard(f"part-{batch.id}-another.tar")
    with open(other, "wb"), pytest.raises(type(fault)):
        do(job, batch, Writes())

    assert list(job.layout.made_files()) == [other]


def test_a_row_that_is_alone_then_is_to_blame(job, batch, listed):
    alone = batch.part(1, 2)

    done = do(job, alone, Slot((1, CRASH), (1, CRASH)))

    assert paths(job, done.children) == [listed[1:2]]
    assert [child.last_chance for child in done.children] == [True]
    last = done.children[0]
    assert do(job, last, Slot((1, CRASH), (1, CRASH))).children == ()
    assert committed(job, last) == {listed[1]: ("failed", "crash", str(CRASH), 2)}


def test_unblamed_deaths_and_a_guilty_row_are_told_apart(job, batch, listed):
    """The second decoder comes less far: the row at which it died is guilty."""
    done = do(job, batch, Slot((COUNT, CRASH), (3, CRASH)))

    assert paths(job, done.children) == [listed[:3], listed[4:], listed[3:4]]


def test_a_batch_over_which_workers_vanish_is_halved(job, batch, listed):
    slot = Slot()

    done = do(job, batch, slot, verdict="exhausted", attempts=4)

    assert paths(job, done.children) == [listed[:2], listed[2:]]
    assert slot.done == [], "no decoder touches it"


def test_a_row_over_which_workers_vanish_fails(job, batch, listed):
    alone = batch.part(4, 5)

    done = do(job, alone, Slot(), verdict="exhausted", attempts=4)

    said = "3 workers vanished while they worked on this file"
    assert committed(job, alone) == {listed[4]: ("failed", "crash", said, 3)}
    assert done.children == ()


def test_what_workers_vanished_over_is_done_if_it_is_committed(job, batch):
    do(job, batch, Slot())
    slot = Slot()

    done = do(job, batch, slot, verdict="exhausted", attempts=4)

    assert (done.children, done.counters["ok"]) == ((), COUNT)
    assert [type(work) for work in slot.done] == [CommittedWork]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([0, 1, 2, 3, 4], []),
        ([0, 4], [(1, 4)]),
        ([2], [(0, 2), (3, 5)]),
        ([0, 2, 4], [(1, 2), (3, 4)]),
        ([], [(0, 5)]),
    ],
)
def test_what_another_attempt_committed_is_counted_and_the_rest_follows(
    job, batch, listed, rows, left
):
    items = items_table([items_of(job)[row] for row in rows])
    outcome = Outcome(status="failed", error_class="corrupt", error_message="bad")
    shared = Shared([outcome] * len(rows))
    write_part(
        job.layout.part(batch.id), manifest_table(items, Shared([Facts()] * len(rows)), shared)
    )

    done = do(job, batch, Slot())

    assert paths(job, done.children) == [listed[first:end] for first, end in left]
    assert done.counters.get("failed", 0) == len(rows)
    assert done.counters["probed"] == len(rows)
    assert done.has_part


def test_a_decoder_that_dies_over_what_is_committed_is_the_output_directorys_fault(job, batch):
    do(job, batch, Slot())

    with pytest.raises(DatasetDamaged, match="cannot be read: the decoder was ended by"):
        do(job, batch, Slot((0, CRASH)))


def test_of_two_attempts_the_first_one_counts(job, batch):
    """Another commits while this one works."""

    class Overtaken(Slot):
        def run(self, work, **limits):
            result = super().run(work, **limits)
            if isinstance(work, BatchWork) and len(self.done) == 1:
                write_part(job.layout.part(batch.id), _one_row(job))
            return result

    slot = Overtaken()
    done = do(job, batch, slot)

    assert [type(work) for work in slot.done] == [BatchWork, CommittedWork]
    assert done.counters["ok"] == 1, "as the other has it"
    assert [(child.first, child.end) for child in done.children] == [(1, COUNT)]
    assert_nothing_is_left_behind(job)


def _one_row(job: Job):
    items = items_table(items_of(job)[:1])
    return manifest_table(items, Shared([Facts()]), Shared([Outcome(status="ok")]))


def test_an_attempt_whose_directory_was_taken_away_has_lost(job, batch):
    class Robbed(Slot):
        def run(self, work, **limits):
            result = super().run(work, **limits)
            os.remove(work.waiting_part)
            return result

    with pytest.raises(LeaseLost):
        do(job, batch, Robbed())

    assert job.layout.parts() == []


def test_a_failed_row_that_cannot_be_written_is_this_machines_fault(job, batch):
    with pytest.raises(EnvironmentFault, match="cannot write the row of a failed file"):
        do(job, batch.part(0, 1, last_chance=True), Slot((0, CRASH), (0, CRASH)))


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(stage_module, "VISIBLE_S", 0.05)
    monkeypatch.setattr(stage_module, "LOOK_EVERY_S", 0.001)


def hidden(job: Job, batch: Batch) -> Callable[[], None]:
    """Take a table out of sight; return what brings it back."""
    path = job.layout.table(RUN, batch.table)
    away = f"{path}.away"
    os.rename(path, away)
    return lambda: os.rename(away, path)


def test_a_table_that_appears_late_is_waited_for(job, batch, monkeypatch):
    """A network file system shows new files when its caches have expired."""
    monkeypatch.setattr(stage_module, "LOOK_EVERY_S", 0.001)
    bring_back, lease = hidden(job, batch), Lease()
    beat = lease.heartbeat

    def beat_and_show(live) -> str:
        if lease.beats == 3:
            bring_back()
        return beat(live)

    lease.heartbeat = beat_and_show

    assert stage_of(job, batch, Slot(), lease=lease).do().counters["ok"] == COUNT
    assert lease.beats >= 4, "the lease is renewed meanwhile"


def test_a_table_that_stays_away_is_this_machines_fault(job, batch, quick):
    hidden(job, batch)

    with pytest.raises(EnvironmentFault, match=r"is not there, .* run the same command again"):
        do(job, batch, Slot())


def test_without_the_folder_of_all_tables_nobody_waits(job, batch):
    files.remove(job.layout.table(RUN, batch.table))
    os.rmdir(job.layout.work_of(RUN))
    os.rmdir(job.layout.work)
    lease = Lease()

    with pytest.raises(EnvironmentFault, match=r"\.work is gone: run the same command again"):
        do(job, batch, Slot(), lease=lease)

    assert lease.beats == 0


def test_without_the_folder_of_the_run_a_table_is_waited_for_too(job, batch, quick):
    """It is as new as the table."""
    files.remove(job.layout.table(RUN, batch.table))
    os.rmdir(job.layout.work_of(RUN))

    with pytest.raises(EnvironmentFault, match=r"is not there, .* run the same command again"):
        do(job, batch, Slot())


def test_who_waits_for_a_table_ends_with_the_worker(job, batch):
    hidden(job, batch)
    slot = Slot()
    slot.stopping.set()

    with pytest.raises(ShuttingDown):
        do(job, batch, slot)


def test_who_waits_for_a_table_ends_with_the_lease(job, batch, monkeypatch):
    monkeypatch.setattr(stage_module, "LOOK_EVERY_S", 0.001)
    hidden(job, batch)

    with pytest.raises(LeaseLost):
        do(job, batch, Slot(), lease=Lease(lost_at=2))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"end": COUNT + 1}, id="more rows than there are"),
        pytest.param({"first": 2**31, "end": 2**32}, id="rows beyond all"),
    ],
)
def test_a_range_that_no_table_has_is_refused(job, batch, change):
    with pytest.raises(DatasetDamaged, match=r"has fewer rows than its batch: run the same"):
        do(job, replace(batch, **change), Slot())

    assert_nothing_is_left_behind(job)


def test_the_last_batch_of_a_job_needs_no_table(job):
    slot = SimpleNamespace(run=lambda *_, **__: StageResult(), kill=lambda: None)

    assert do(job, FINISH, slot) == StageResult()


def test_every_error_of_an_item_is_blamed_or_failed(job, batch):
    """None is a reason to end the worker's task."""
    for kind in (DecoderCrash, ItemTimeout, ItemMemory, InternalError):
        assert issubclass(kind, ItemError)
        assert do(job, batch.part(0, 1, last_chance=True), Slot((0, kind("x")))).has_part
        files.remove(job.layout.part(batch.part(0, 1, last_chance=True).id))
