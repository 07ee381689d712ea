"""Two workers, three batches, every order of steps and every fault: nothing lost, nothing twice.

``ledger_model`` is explored whole.  That its ledger is the one in Redis is shown in
``integration/test_ledger_follows_the_model.py``.
"""

import pytest

from ledger_model import Answer, Batch, Broken, Ledger, State, World, explore


@pytest.mark.parametrize(("faults", "states"), [(1, 20_000), (2, 500_000)])
def test_every_order_of_steps_with_any_faults_ends_well(faults, states):
    assert explore(World(), faults=faults) > states


class NoFence(Ledger):
    """What a superseded attempt says counts without a manifest part too."""

    def commit(self, s, name, fence, ok, children) -> Answer:
        return super().commit(s, name, 0, ok, children)


class NoGuard(Ledger):
    """Counts a batch that is counted already."""

    def commit(self, s, name, fence, ok, children) -> Answer:
        counted, after = super().commit(s, name, fence, ok, children)
        return (counted, after) if counted else (1, s._replace(ok=s.ok + ok))


class NoChildren(Ledger):
    def commit(self, s, name, fence, ok, children) -> Answer:
        return super().commit(s, name, fence, ok, ())


class SweepsAway(Ledger):
    """Takes the batch of an expired lease away with it."""

    def requeue_expired(self, s, missing) -> Answer:
        due, after = super().requeue_expired(s, missing)
        for name in s.flying():
            if s.batch(name).place == "expired":
                after = after.put(name, None)
        return due, after


class SendsNothing(Ledger):
    """Finds what is due, and does not tell."""

    def requeue_expired(self, s, missing) -> Answer:
        return (), super().requeue_expired(s, missing)[1]


class ForgetsLostMessages(Ledger):
    def requeue_expired(self, s, missing) -> Answer:
        return super().requeue_expired(s, missing=False)


class ForgetsReleased(Ledger):
    """A batch that is given back is nowhere."""

    def release(self, s, name, fence) -> Answer:
        answer, after = super().release(s, name, fence)
        return answer, after.put(name, None) if answer else after


class ReservesAgain(Ledger):
    """Only looks whether the batch is in flight, not whether it ever was."""

    def reserve(self, s, name, number) -> Answer:
        if s.state == "running" and not s.batch(name):
            return "reserved", s._replace(reserved=max(number, s.reserved)).put(name, Batch())
        return super().reserve(s, name, number)


class FinishesEarly(Ledger):
    """Does not see those that are held."""

    def enqueue_finish(self, s: State) -> Answer:
        unseen = tuple(None if batch and batch.leased else batch for batch in s.batches)
        answer, _ = super().enqueue_finish(s._replace(batches=unseen))
        return (1, s._replace(finishing=True).put("f", Batch())) if answer else (0, s)


class FinishesUnasked(Ledger):
    """Does not wait for the end of the enumeration."""

    def enqueue_finish(self, s: State) -> Answer:
        answer, after = super().enqueue_finish(s._replace(enumerated=True))
        return answer, after._replace(enumerated=s.enumerated)


class HoldsForEver(Ledger):
    """A cancelled job's batches stay."""

    def claim(self, s, name, owner) -> Answer:
        answer, after = super().claim(s, name, owner)
        return answer, s if s.state == "cancelled" else after


class LeavesTheListEarly(Ledger):
    """Does not see the batches of a cancelled job that are in flight."""

    def active(self, s) -> Answer:
        if s.state == "cancelled":
            return "left", s._replace(active=False)
        return super().active(s)


class FailsInTheMiddle(Ledger):
    """A commit removes the batch before it finds that a number is too large to be counted."""

    def failed(self, s, name, *arguments) -> State:
        return s.put(arguments[0], None) if name == "commit" else s


PLANTED = {
    "a superseded claim may speak": World(NoFence()),
    "a commit counts again": World(NoGuard()),
    "a commit forgets what follows": World(NoChildren()),
    "a sweep loses expired batches": World(SweepsAway()),
    "a sweep sends nothing again": World(SendsNothing()),
    "a sweep sends no lost message again": World(ForgetsLostMessages()),
    "a release forgets the batch": World(ForgetsReleased()),
    "a late reserve takes a batch up again": World(ReservesAgain()),
    "the end comes before what is held": World(FinishesEarly()),
    "the end comes before all is enumerated": World(FinishesUnasked()),
    "cancelled batches stay": World(HoldsForEver()),
    "a job with batches in flight leaves the list": World(LeavesTheListEarly()),
    "a commit fails in the middle": World(FailsInTheMiddle()),
    "earlier attempts keep their directory": World(takes_directories=False),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_each_planted_bug_is_found(bug):
    def explore_further_and_further() -> None:
        for faults in (1, 2):
            explore(PLANTED[bug], faults=faults)

    with pytest.raises(Broken):
        explore_further_and_further()
