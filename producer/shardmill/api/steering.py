"""The verbs that look at work and steer it: ``status``, ``watch``, ``pause``, ``clean``, ..."""

import os
from contextlib import suppress
from pathlib import Path

from shardmill.contract.errors import EnvironmentFault, LedgerUnavailable, UsageError
from shardmill.contract.settings import Settings
from shardmill.dataset.holder import is_locked
from shardmill.dataset.job import Job as Written
from shardmill.dataset.job import Status
from shardmill.dataset.layout import Layout
from shardmill.monitor import control, locate
from shardmill.monitor.watcher import SILENT, Watcher
from shardmill.producer.cleaning import Cleaning
from shardmill.producer.job_handle import Job, hand_over, with_totals
from shardmill.producer.request import Request
from shardmill.report import summary


def status(job: str | Path, *, settings: Settings | None = None) -> Status:
    """Return how far a job is: from the ledger if it knows it, else from the output directory.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.

    Raises:
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer, and there is no such directory.
    """
    place = locate.find(str(job), settings or Settings.from_environment())
    snapshot = None
    if place.settings is not None:
        try:
            with control.ledger_of(place.settings) as ledger:
                snapshot = ledger.snapshot(place.name)
        except LedgerUnavailable:
            if place.job is None and not locate.has_ended(place.settings):
                raise
    if snapshot is not None and (snapshot.state != "done" or place.job is None):
        return with_totals(snapshot).status(place.name)
    if place.job is not None:
        return summary.status_of(str(job))
    raise UsageError(
        f"expected an output directory or the name of a job, got {str(job)!r}: "
        "`shardmill list` shows the jobs"
    )


def watch(
    job: str | Path, *, settings: Settings | None = None, watcher: Watcher | None = None
) -> Status:
    """Wait until a job is done, paused or cancelled, whoever began it.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer, and there is no such directory.
    """
    place = locate.find(str(job), settings or Settings.from_environment())
    found = status(job, settings=settings)
    if found.state != "running" or place.settings is None:
        return found
    try:
        return Job(place.name, found.out, place.settings).wait(watcher)
    except EnvironmentFault:
        written = place.job or _written(found)
        if written is None:
            raise
        return summary.status_of(written.out)  # its Redis has ended with it, or lost it


def jobs(*, settings: Settings | None = None) -> list[Status]:
    """Return the jobs of the cluster and of this user's embedded runs on this machine.

    Args:
        settings: Where the cluster is; by default from the environment.

    Raises:
        EnvironmentFault: There is no run here, and the cluster that was named does not answer.
    """
    settings = settings or Settings.from_environment()
    found: list[Status] = []
    for private in locate.embedded(settings):
        with suppress(LedgerUnavailable):  # it has ended since
            found += control.jobs(private)
    try:
        found += control.jobs(settings)
    except LedgerUnavailable:
        if not found and settings.redis_url != Settings().redis_url:
            raise
    return found


def pause(job: str | Path, *, settings: Settings | None = None) -> Status:
    """Give out no more work of a job; what runs ends.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.

    Raises:
        WrongState: The job has ended, or nobody works on it.
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer.
    """
    return _steer(control.PAUSE, job, settings)


def cancel(job: str | Path, *, settings: Settings | None = None) -> Status:
    """End a job where it is; what is committed stays, and its own command goes on later.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.

    Raises:
        WrongState: The job has ended, or nobody works on it.
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer.
    """
    return _steer(control.CANCEL, job, settings)


def resume(
    job: str | Path, *, settings: Settings | None = None, watcher: Watcher = SILENT
) -> Status:
    """Go on with a paused job.

    Where its producer has died with inputs still to be sent, this process sends them first.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.
        watcher: Is told what happens before the job runs.

    Raises:
        WrongState: The job has ended, or its ledger with it: the error tells the command.
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer.
    """
    place = locate.find(str(job), settings or Settings.from_environment())
    snapshot = control.apply(control.RESUME, place)
    control.send_waiting(place)
    if not snapshot.counters.get("enumerated"):
        _send_the_rest(snapshot.out, place, watcher)
    return snapshot.status(place.name)


def _send_the_rest(out: str, place: locate.Place, watcher: Watcher) -> None:
    """Take the place of a producer that is gone."""
    job = place.job or (Written.read(out) if os.path.isdir(out) else None)
    if job is None or place.settings is None:
        watcher.note(f"if its producer is gone, go on where {out} can be seen: shardmill resume")
        return
    if is_locked(Layout(job.out)) or locate.has_ended(place.settings):
        return
    job.check_repeatable()
    request = Request.of(job)
    if request.name != place.name:
        watcher.note(f"if its producer is gone, go on where OUT is {out}: {job.command('submit')}")
        return
    producer = hand_over(request, place.settings, watcher)
    try:
        producer.wait_until_sent()
    finally:
        producer.close()


def clean(out: str | Path, *, settings: Settings | None = None) -> Cleaning:
    """Find what is of no use in an output directory; ``remove`` it, or only look.

    Args:
        out: Output directory; locked until the answer is closed.
        settings: Where the cluster is; by default from the environment.

    Raises:
        UsageError: ``out`` is no output directory, or its producer still works.
        WrongState: Workers still work on it.
        EnvironmentFault: It cannot be known whether workers still do.
    """
    place = locate.find(str(out), settings or Settings.from_environment())
    if place.job is None:
        raise UsageError(f"expected an output directory of shardmill, got {str(out)!r}")
    return Cleaning(place)


def _written(status: Status) -> Written | None:
    """Return what the output directory of a job says of it; None if it cannot be seen here."""
    job = Written.read(status.out) if os.path.isdir(status.out) else None
    return job if job is not None and job.name == status.job else None


def _steer(wanted: control.Control, job: str | Path, settings: Settings | None) -> Status:
    place = locate.find(str(job), settings or Settings.from_environment())
    return control.apply(wanted, place).status(place.name)
