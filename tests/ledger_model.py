"""The protocol of the ledger as a model small enough to be explored whole.

``Ledger`` says in Python what each Lua script does; ``World`` puts two workers, a producer, a
queue, a reconciler and an output directory around it and yields every next step, harmful ones as
long as the budget of faults lasts.  Time is not counted: a lease may run out at any moment.

Two batches come from the producer: ``p`` with the items 1 and 2, ``q`` with item 3.  An attempt at
``p`` may end with both rows, with one row and a batch of the rest, or with no row and two halves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ITEMS = {"p": (1, 2), "q": (3,), "p1": (1,), "p2": (2,)}
NAMES = ("p", "q", "p1", "p2", "f")
"""Every batch there may be; ``f`` finishes the job."""
PRODUCED = ("p", "q")
HALVES = ("p1", "p2")
MAX_ATTEMPTS = 3
MAX_MESSAGES = 2
"""Of one batch in the queue; more behave like two."""


class Batch(NamedTuple):
    """A batch in flight."""

    place: str = "sent"
    """``sent`` or ``unsent`` while it waits, ``held`` or ``expired`` under a lease."""
    fence: int = 0
    attempts: int = 0
    owner: str = ""

    @property
    def leased(self) -> bool:
        return self.place in {"held", "expired"}


class State(NamedTuple):
    """All that Redis holds of a job."""

    state: str = "running"
    reserved: int = 0
    enumerated: bool = False
    finishing: bool = False
    active: bool = True
    """The job is on the list of those that the reconciler looks at."""
    ok: int = 0
    batches: tuple[Batch | None, ...] = (None,) * len(NAMES)

    def batch(self, name: str) -> Batch | None:
        return self.batches[NAMES.index(name)]

    def put(self, name: str, batch: Batch | None) -> "State":
        at = NAMES.index(name)
        return self._replace(batches=(*self.batches[:at], batch, *self.batches[at + 1 :]))

    def flying(self) -> list[str]:
        return [name for name in NAMES if self.batch(name)]


Answer = tuple[Any, State]


class Ledger:
    """One method a script: what it answers, and the state after it."""

    def reserve(self, s: State, name: str, number: int) -> Answer:
        if s.state != "running":
            return s.state, s
        if number <= s.reserved:
            return "known", s
        return "reserved", s._replace(reserved=number).put(name, Batch())

    def close(self, s: State, number: int) -> Answer:
        return ("closed", s._replace(enumerated=True)) if s.reserved == number else ("behind", s)

    def claim(self, s: State, name: str, owner: str) -> Answer:
        batch = s.batch(name)
        if not batch:
            return ("done", 0, 0), s
        if batch.place != "held" and s.state == "cancelled":
            s = s.put(name, None)
        if s.state != "running":
            return ("stopped", 0, 0), s
        if batch.place == "held":
            if batch.owner != owner:
                return ("busy", 0, 0), s
        else:
            batch = Batch("held", batch.fence + 1, batch.attempts + 1, owner)
        verdict = "exhausted" if batch.attempts > MAX_ATTEMPTS else "claimed"
        return (verdict, batch.fence, batch.attempts), s.put(name, batch)

    def heartbeat(self, s: State, name: str, fence: int) -> Answer:
        batch = s.batch(name)
        if not batch or batch.fence != fence or not batch.leased:
            return "lost", s
        if s.state == "cancelled":
            return "cancelled", s
        return "held", s.put(name, batch._replace(place="held"))

    def commit(self, s: State, name: str, fence: int, ok: int, children: tuple[str, ...]) -> Answer:
        batch = s.batch(name)
        if not batch or fence not in (0, batch.fence):
            return 0, s
        s = s.put(name, None)._replace(ok=s.ok + ok)
        if name == "f" and s.state == "running":
            return 1, s._replace(state="done")
        if name == "f":
            s = s._replace(finishing=False)
        if s.state == "cancelled":
            return 1, s
        for child in children:
            s = s.put(child, Batch())
        return 1 if s.flying() else 2, s

    def release(self, s: State, name: str, fence: int) -> Answer:
        batch = s.batch(name)
        if not batch or batch.fence != fence or not batch.leased:
            return 0, s
        if s.state == "cancelled":
            return 1, s.put(name, None)
        return 1, s.put(name, batch._replace(place="unsent", attempts=batch.attempts - 1))

    def enqueue_finish(self, s: State) -> Answer:
        if s.state != "running" or not s.enumerated or s.finishing or s.flying():
            return 0, s
        return 1, s._replace(finishing=True).put("f", Batch())

    def set_state(self, s: State, state: str, allowed: tuple[str, ...]) -> Answer:
        return ("shifted", s._replace(state=state)) if s.state in allowed else (s.state, s)

    def failed(self, s: State, name: str, *arguments: Any) -> State:
        """What a call leaves behind whose script ends in an error: everything as it was."""
        return s

    def active(self, s: State) -> Answer:
        """How long a job that has ended stays listed is not counted either."""
        if s.state in {"done", "cancelled"} and not s.flying():
            return "left", s._replace(active=False)
        if s.state in {"paused", "done"}:
            return 0, s
        return sum(not s.batch(name).leased for name in s.flying()), s

    def requeue_expired(self, s: State, missing: bool) -> Answer:
        for name in s.flying():
            batch = s.batch(name)
            if batch.place == "expired":
                s = s.put(name, batch._replace(place="unsent"))
        if s.state not in {"running", "cancelled"}:
            return (), s
        due = [n for n in s.flying() if s.batch(n).place in {"unsent", "sent" if missing else ""}]
        for name in due:
            s = s.put(name, s.batch(name)._replace(place="sent"))
        return tuple(due), s


class Worker(NamedTuple):
    """What a slot is doing; it knows nothing but this."""

    phase: str = "idle"
    batch: str = ""
    fence: int = 0
    seen: tuple[tuple[str, int], ...] = ()
    """Directories of earlier attempts that it found when it made its own."""
    items: tuple[int, ...] = ()
    """Rows that it has written and is about to commit."""
    told: tuple[int, int, tuple[str, ...]] = (0, 0, ())
    """What it is about to tell the ledger: fence or 0, rows, children."""


class Snapshot(NamedTuple):
    """Everything, at one moment."""

    ledger: State = State()
    queue: tuple[int, ...] = (0,) * len(NAMES)
    parts: tuple[tuple[int, ...] | None, ...] = (None,) * len(NAMES)
    """Items of the manifest part of each batch, once it is there."""
    places: frozenset[tuple[str, int]] = frozenset()
    """Directories of attempts: batch and fence."""
    workers: tuple[Worker, ...] = (Worker(), Worker())
    producer: tuple[str, int] = ("reserve", 0)
    faults: int = 0
    """Faults that may still come."""

    def part(self, name: str) -> tuple[int, ...] | None:
        return self.parts[NAMES.index(name)]

    def rows(self) -> list[int]:
        return sorted(item for part in self.parts for item in part or ())


@dataclass
class World:
    """Yields what may happen next: the steps of the honest, and the faults."""

    ledger: Ledger = field(default_factory=Ledger)
    transitions: dict[tuple[Any, ...], Answer] = field(default_factory=dict)
    """Every call of the ledger that was made from every state, with what became of it."""
    takes_directories: bool = True

    def call(self, s: State, name: str, *arguments: Any) -> Answer:
        key = (s, name, arguments)
        if key not in self.transitions:
            self.transitions[key] = getattr(self.ledger, name)(s, *arguments)
        return self.transitions[key]

    def steps(self, w: Snapshot) -> Iterator[Snapshot]:
        """What happens without any fault, in any order."""
        yield from self._producer(w)
        yield from self._reconciler(w)
        for i, worker in enumerate(w.workers):
            yield from self._worker(w, i, worker)
        if w.ledger.state == "paused":
            yield w._replace(ledger=self.call(w.ledger, "set_state", "running", ("paused",))[1])
        yield from self._orphaned_leases(w)

    def faults(self, w: Snapshot) -> Iterator[Snapshot]:
        """What harm may happen."""
        if w.faults == 0:
            return
        w = w._replace(faults=w.faults - 1)
        for i, worker in enumerate(w.workers):
            if worker.phase != "idle":
                yield self._set(w, i, Worker())  # killed; its directory stays
            if worker.phase == "commit":
                left = self.ledger.failed(w.ledger, "commit", worker.batch, *worker.told)
                yield w._replace(ledger=left)  # it tries again
            if worker.phase == "work":
                yield self._released(w, i, worker)  # told to end
                yield from self._cannot(w, i, worker)
        for name in NAMES:
            batch = w.ledger.batch(name)
            if batch and batch.place == "held":
                yield w._replace(ledger=w.ledger.put(name, batch._replace(place="expired")))
            if w.queue[NAMES.index(name)]:
                yield self._message(w, name, -1)
                yield self._message(w, name, +1)
        for state, allowed in (("paused", ("running",)), ("cancelled", ("running", "paused"))):
            yield w._replace(ledger=self.call(w.ledger, "set_state", state, allowed)[1])
        yield from self._lost_replies(w)

    # -- the honest ---------------------------------------------------------------------------

    def _producer(self, w: Snapshot) -> Iterator[Snapshot]:
        phase, number = w.producer
        if phase == "reserve":
            answer, ledger = self.call(w.ledger, "reserve", PRODUCED[number], number + 1)
            yield self._reserved(w._replace(ledger=ledger), answer, number)
        elif phase == "close":
            _, ledger = self.call(w.ledger, "close", len(PRODUCED))
            yield self._drained(w._replace(ledger=ledger, producer=("gone", 0)))

    def _reserved(self, w: Snapshot, answer: str, number: int) -> Snapshot:
        if answer not in {"reserved", "known"}:
            gone = answer in {"cancelled", "done"}
            return w._replace(producer=("gone", 0)) if gone else w
        last = number + 1 == len(PRODUCED)
        after = ("close", 0) if last else ("reserve", number + 1)
        return self._message(w._replace(producer=after), PRODUCED[number], +1)

    def _reconciler(self, w: Snapshot) -> Iterator[Snapshot]:
        if not w.ledger.active:
            return
        messages, ledger = self.call(w.ledger, "active")
        if messages == "left":
            yield w._replace(ledger=ledger)
            return
        due, ledger = self.call(ledger, "requeue_expired", sum(w.queue) < messages)
        after = w._replace(ledger=ledger)
        for name in due:
            after = self._message(after, name, +1)
        yield self._drained(after)

    def _worker(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        if worker.phase == "idle":
            for name in NAMES:
                if w.queue[NAMES.index(name)]:
                    taken = self._message(w, name, -1)
                    answer, ledger = self.call(w.ledger, "claim", name, f"w{i}")
                    yield self._claimed(taken._replace(ledger=ledger), i, name, answer)
        elif worker.phase == "commit":
            answer, ledger = self.call(w.ledger, "commit", worker.batch, *worker.told)
            yield self._committed(w._replace(ledger=ledger), i, worker, answer)
        else:
            steps: dict[str, Callable[..., Iterator[Snapshot]]] = {
                "enter": self._enter,
                "check": self._check,
                "work": self._work,
                "link": self._link,
                "claim again": self._claim_again,
            }
            yield from steps[worker.phase](w, i, worker)

    def _claimed(self, w: Snapshot, i: int, name: str, answer: tuple[str, int, int]) -> Snapshot:
        verdict, fence, _ = answer
        if verdict not in {"claimed", "exhausted"}:
            return self._set(w, i, Worker())
        if name == "f":
            return self._set(w, i, Worker("commit", name, fence, told=(fence, 0, ())))
        return self._set(w, i, Worker("enter", name, fence))

    def _enter(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        mine = (worker.batch, worker.fence)
        there = tuple(sorted(p for p in w.places if p[0] == worker.batch and p != mine))
        w = w._replace(places=w.places | {mine})
        yield self._set(w, i, worker._replace(phase="check", seen=there))

    def _check(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        answer, ledger = self.call(w.ledger, "heartbeat", worker.batch, worker.fence)
        if answer != "held":
            yield self._lost(w, i, worker)
            return
        w = w._replace(ledger=ledger)
        if self.takes_directories:
            w = w._replace(places=w.places - set(worker.seen))
        if w.part(worker.batch) is not None:
            yield self._take_up(w, i, worker)
        else:
            yield self._set(w, i, worker._replace(phase="work", seen=()))

    def _work(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        answer, ledger = self.call(w.ledger, "heartbeat", worker.batch, worker.fence)
        beaten = w._replace(ledger=ledger)
        yield self._lost(w, i, worker) if answer != "held" else beaten
        items = ITEMS[worker.batch]
        for made in (items, items[:1]) if len(items) > 1 else (items,):
            yield self._set(w, i, worker._replace(phase="link", items=made))
        if worker.batch == "p":
            split = worker._replace(phase="commit", told=(worker.fence, 0, HALVES))
            yield self._leave(self._set(w, i, split), worker)

    def _link(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        if (worker.batch, worker.fence) not in w.places:
            yield self._lost(w, i, worker)
        elif w.part(worker.batch) is not None:
            yield self._take_up(w, i, worker)
        else:
            at = NAMES.index(worker.batch)
            parts = (*w.parts[:at], worker.items, *w.parts[at + 1 :])
            yield self._take_up(w._replace(parts=parts), i, worker)

    def _take_up(self, w: Snapshot, i: int, worker: Worker) -> Snapshot:
        """Tell the ledger what the manifest part holds, and what it leaves."""
        rows = w.part(worker.batch)
        rest = ("p2",) if worker.batch == "p" and len(rows) == 1 else ()
        told = worker._replace(phase="commit", seen=(), items=(), told=(0, len(rows), rest))
        return self._leave(self._set(w, i, told), worker)

    def _committed(self, w: Snapshot, i: int, worker: Worker, answer: int) -> Snapshot:
        for child in worker.told[2]:
            w = self._message(w, child, +1)
        w = self._set(w, i, Worker())
        return w if answer == 1 else self._drained(w)

    def _lost(self, w: Snapshot, i: int, worker: Worker) -> Snapshot:
        return self._released(w, i, worker)

    def _released(self, w: Snapshot, i: int, worker: Worker) -> Snapshot:
        _, ledger = self.call(w.ledger, "release", worker.batch, worker.fence)
        return self._leave(self._set(w._replace(ledger=ledger), i, Worker()), worker)

    def _drained(self, w: Snapshot) -> Snapshot:
        answer, ledger = self.call(w.ledger, "enqueue_finish")
        w = w._replace(ledger=ledger)
        return self._message(w, "f", +1) if answer else w

    def _orphaned_leases(self, w: Snapshot) -> Iterator[Snapshot]:
        """A lease that nobody renews runs out: that is no fault."""
        for name in w.ledger.flying():
            batch = w.ledger.batch(name)
            kept = any((k.batch, k.fence) == (name, batch.fence) for k in w.workers)
            asked = any(k.phase == "claim again" and k.batch == name for k in w.workers)
            if batch.place == "held" and not kept and not asked:
                yield w._replace(ledger=w.ledger.put(name, batch._replace(place="expired")))

    # -- the harm -----------------------------------------------------------------------------

    def _cannot(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        """The disk is full: the job pauses if the batch is ours still."""
        answer, _ = self.call(w.ledger, "release", worker.batch, worker.fence)
        after = self._released(w, i, worker)
        if answer:
            after = after._replace(
                ledger=self.call(after.ledger, "set_state", "paused", ("running",))[1]
            )
        yield after

    def _lost_replies(self, w: Snapshot) -> Iterator[Snapshot]:
        """A call was applied and its answer lost: the caller makes it again, at any later time."""
        phase, number = w.producer
        if phase == "reserve":
            _, ledger = self.call(w.ledger, "reserve", PRODUCED[number], number + 1)
            yield w._replace(ledger=ledger)
        if phase == "close":
            yield w._replace(ledger=self.call(w.ledger, "close", len(PRODUCED))[1])
        yield w._replace(ledger=self.call(w.ledger, "active")[1])
        yield w._replace(ledger=self.call(w.ledger, "requeue_expired", True)[1])
        yield w._replace(ledger=self.call(w.ledger, "enqueue_finish")[1])
        for i, worker in enumerate(w.workers):
            if worker.phase == "commit":
                ledger = self.call(w.ledger, "commit", worker.batch, *worker.told)[1]
                yield w._replace(ledger=ledger)
            if worker.phase == "idle":
                for name in NAMES:
                    if w.queue[NAMES.index(name)]:
                        ledger = self.call(w.ledger, "claim", name, f"w{i}")[1]
                        taken = self._message(w._replace(ledger=ledger), name, -1)
                        yield self._set(taken, i, Worker("claim again", name))

    def _claim_again(self, w: Snapshot, i: int, worker: Worker) -> Iterator[Snapshot]:
        answer, ledger = self.call(w.ledger, "claim", worker.batch, f"w{i}")
        yield self._claimed(w._replace(ledger=ledger), i, worker.batch, answer)

    # -- small changes ------------------------------------------------------------------------

    @staticmethod
    def _set(w: Snapshot, i: int, worker: Worker) -> Snapshot:
        return w._replace(workers=(*w.workers[:i], worker, *w.workers[i + 1 :]))

    @staticmethod
    def _leave(w: Snapshot, worker: Worker) -> Snapshot:
        return w._replace(places=w.places - {(worker.batch, worker.fence)})

    @staticmethod
    def _message(w: Snapshot, name: str, change: int) -> Snapshot:
        at = NAMES.index(name)
        count = min(MAX_MESSAGES, w.queue[at] + change)
        return w._replace(queue=(*w.queue[:at], count, *w.queue[at + 1 :]))

    @staticmethod
    def tidy(w: Snapshot) -> Snapshot:
        """Return the same state in the form in which equal ones look equal.

        An owner whose call is over is nobody, for no later call has its token; a message of a
        batch that is not in flight is none, for a claim answers that it is done; and which of
        two workers is the first does not matter.
        """
        asking = {f"w{i}" for i, k in enumerate(w.workers) if k.phase == "claim again"}
        s = w.ledger
        for name in NAMES:
            batch = s.batch(name)
            if batch and batch.owner and batch.owner not in asking:
                s = s.put(name, batch._replace(owner=""))
        queue = tuple(n if batch else 0 for n, batch in zip(w.queue, s.batches, strict=True))
        workers = w.workers if asking else tuple(sorted(w.workers))
        return w._replace(ledger=s, queue=queue, workers=workers)


class Broken(AssertionError):
    """A promise is broken in a state that can be reached."""


def check(w: Snapshot) -> None:
    """Raise ``Broken`` where a state breaks a promise by itself."""
    rows = w.rows()
    if len(rows) != len(set(rows)):
        raise Broken(f"an item has two rows: {w}")
    if not w.ledger.active and not ended(w):
        raise Broken(f"nobody looks at a job with work left: {w}")
    if w.ledger.state == "done":
        if rows != [1, 2, 3]:
            raise Broken(f"the job is done with the rows {rows}: {w}")
        if w.ledger.ok != len(rows):
            raise Broken(f"{w.ledger.ok} counted, {len(rows)} there: {w}")
        if w.ledger.flying():
            raise Broken(f"batches are left behind: {w}")


def ended(w: Snapshot) -> bool:
    """Tell whether nothing of the job is left to do."""
    return w.ledger.state in {"done", "cancelled"} and not w.ledger.flying()


def explore(world: World, *, faults: int) -> int:
    """Visit every state that can be reached; return how many there are.

    Raises:
        Broken: A state breaks a promise, or from one the job cannot end without further faults.
    """
    start = Snapshot(faults=faults)
    before: dict[Snapshot, list[Snapshot]] = {start: []}
    fresh = [start]
    while fresh:
        w = fresh.pop()
        for harmless, afters in ((True, world.steps(w)), (False, world.faults(w))):
            for after in map(world.tidy, afters):
                if after not in before:
                    check(after)
                    before[after] = []
                    fresh.append(after)
                if harmless:
                    before[after].append(w)
    good = [w for w in before if ended(w)]
    can_end = set(good)
    while good:
        for w in before[good.pop()]:
            if w not in can_end:
                can_end.add(w)
                good.append(w)
    stuck = before.keys() - can_end
    if stuck:
        raise Broken(f"{len(stuck)} states from which nothing ends, such as {min(stuck, key=str)}")
    return len(before)
