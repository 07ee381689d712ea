"""Steering a job from any process: pause, resume, cancel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import LedgerUnavailable, UsageError, WrongState
from shardmill.contract.settings import Settings
from shardmill.dataset.holder import Holder, is_locked
from shardmill.dataset.job import State, Status
from shardmill.dataset.layout import Layout
from shardmill.ledger import messages
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.application import application
from shardmill.ledger.ledger import Ledger
from shardmill.monitor.locate import Place, has_ended, was_embedded


class Control(Struct, frozen=True, kw_only=True):
    """One thing that can be done to a job."""

    verb: str
    """Its name on the command line."""
    leads_to: State
    """The job's state after it."""
    allowed: tuple[State, ...]
    """The states in which it can be done; in the one it leads to it changes nothing."""
    reason: str = ""
    """Telemetry in the job's status afterwards."""


BY_HAND: Final = "by hand"
"""Why a job is paused that somebody paused."""

PAUSE: Final = Control(verb="pause", leads_to="paused", allowed=("running",), reason=BY_HAND)
RESUME: Final = Control(verb="resume", leads_to="running", allowed=("paused",))
CANCEL: Final = Control(verb="cancel", leads_to="cancelled", allowed=("running", "paused"))


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    """Give a ledger, and its connections up again."""
    ledger = Ledger(settings)
    try:
        yield ledger
    finally:
        ledger.close_connections()


def apply(control: Control, place: Place) -> Snapshot:
    """Do one thing to a job; return what the ledger then says.

    Raises:
        WrongState: The job has ended, or no ledger knows it any more.
        UsageError: There is no such job.
        LedgerUnavailable: Redis does not answer.
    """
    if place.settings is None:
        raise _gone(control, place)
    try:
        with ledger_of(place.settings) as ledger:
            allowed = control.allowed
            ledger.set_state(place.name, control.leads_to, reason=control.reason, allowed=allowed)
            snapshot = ledger.snapshot(place.name)
    except LedgerUnavailable:
        if has_ended(place.settings):
            raise _gone(control, replace(place, settings=None)) from None
        raise
    if snapshot is None:
        raise _gone(control, place)
    if snapshot.state != control.leads_to:
        raise WrongState(
            f"expected a job that is {' or '.join(control.allowed)} to {control.verb}, "
            f"{place.name} is {snapshot.state}: {_what_then(place, snapshot.state)}"
        )
    return snapshot


def _gone(control: Control, place: Place) -> WrongState | UsageError:
    if place.job is None:
        return UsageError(
            f"expected an output directory or the name of a job, got {place.name!r}: "
            "`shardmill list` shows the jobs"
        )
    layout = Layout(place.job.out)
    holder = Holder.read(layout) if is_locked(layout) else None
    if holder is not None and place.settings is not None:
        where = place.settings.shown_url
        return WrongState(
            f"{holder} works on {layout.out}, and the ledger at {where} does not know its job: "
            f"{_how_to_reach(holder, where)}"
        )
    ended = os.path.exists(layout.summary)
    return WrongState(
        f"expected a job at work to {control.verb}, "
        f"{layout.out} {'is done' if ended else 'is in work nowhere'}: "
        f"{_what_then(place, 'done' if ended else 'paused')}"
    )


def _how_to_reach(holder: Holder, asked_url: str) -> str:
    if was_embedded(holder) and not holder.is_here:
        return f"give the command on {holder.host}"
    if holder.redis_url != asked_url:
        return f"give --redis {holder.redis_url}"
    return "try again in a moment"


def _what_then(place: Place, state: State) -> str:
    if state == "done":
        return "nothing is left to do"
    if place.job is None:
        return "the command that began it goes on"
    command = place.job.command("run" if place.settings is None else "submit")
    return f"go on with `{command}`"


def send_waiting(place: Place) -> None:
    """Send the messages of all batches that wait: while a job is paused they are dropped.

    The workers would find them missing by themselves, some seconds later.
    """
    assert place.settings is not None
    try:
        with ledger_of(place.settings) as ledger, application(place.settings) as app:
            due = ledger.requeue_expired(place.name, messages_missing=True, grace_s=0)
            messages.send(app, place.name, due)
    except LedgerUnavailable:
        if not has_ended(place.settings):  # a run that has ended needs no messages
            raise


def jobs(settings: Settings) -> list[Status]:
    """Return every job of one ledger.

    Raises:
        LedgerUnavailable: Redis does not answer.
    """
    with ledger_of(settings) as ledger:
        found = [(name, ledger.snapshot(name)) for name in ledger.jobs()]
    return [snapshot.status(name) for name, snapshot in found if snapshot is not None]
