"""Removing what is of no use in an output directory, while nobody works on it."""

import os
from dataclasses import replace
from typing import Self

from shardmill.contract.errors import LedgerUnavailable, WrongState
from shardmill.dataset import leftovers
from shardmill.dataset.holder import Holder
from shardmill.dataset.layout import Layout
from shardmill.dataset.leftovers import Leftover
from shardmill.monitor.control import ledger_of
from shardmill.monitor.locate import Place, was_embedded
from shardmill.producer.output_lock import OutputLock


class Cleaning:
    """What is of no use in an output directory, which is locked until this is closed.

    Raises:
        OutputConflict: A producer is at work on it.
        WrongState: Workers still are.
        LedgerUnavailable: Nobody can tell whether they are.
    """

    def __init__(self, place: Place) -> None:
        assert place.job is not None
        self._layout = Layout(place.job.out)
        before = Holder.read(self._layout)
        self._lock = OutputLock(self._layout, redis_url=before.redis_url if before else "")
        try:
            if not os.path.exists(self._layout.summary):  # a finished job has no workers
                _check_idle(place, before)
            self.leftovers = self._find()
        except BaseException:
            self.close()
            raise

    def _find(self) -> list[Leftover]:
        found = leftovers.find(self._layout)
        return [*found, *leftovers.empty_folders(self._layout, without=found)]

    def remove(self) -> None:
        """Remove them, and what else is one by now.

        Raises:
            EnvironmentFault: The directory cannot be written.
        """
        leftovers.end_attempts(self._layout)
        leftovers.remove(self._layout, self._find())

    def close(self) -> None:
        """Let other producers in again."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_idle(place: Place, before: Holder | None) -> None:
    """See that no worker is at it: what an attempt has written looks like a leftover."""
    settings = place.settings
    if settings is None or (before is not None and was_embedded(before)):
        return  # its workers ended with its producer
    if before is not None and before.redis_url not in {"", settings.shown_url}:
        settings = replace(settings, redis_url=before.redis_url)
    try:
        with ledger_of(settings) as ledger:
            snapshot = ledger.snapshot(place.name)
    except LedgerUnavailable as error:
        raise LedgerUnavailable(f"cannot tell whether workers are at it: {error}") from error
    if snapshot is not None and (snapshot.state == "running" or snapshot.inflight):
        raise WrongState(
            f"expected a job that nobody works on, {place.name} is {snapshot.state} with "
            f"{snapshot.inflight} batches in work: wait for it, or cancel it"
        )
