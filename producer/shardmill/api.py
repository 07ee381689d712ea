"""The Python interface: the same verbs as the command line, which is a thin layer over it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from shardmill.contract.errors import (
    ITEM_ERRORS,
    EnvironmentFault,
    LedgerUnavailable,
    UsageError,
    WrongState,
)
from shardmill.contract.job import Goal, Status, is_locked
from shardmill.contract.job import Job as Written
from shardmill.contract.layout import Layout
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.report import store, summary
from shardmill.submission import control, locate
from shardmill.submission.cleaning import Cleaning
from shardmill.submission.feed import Feeder
from shardmill.submission.job import Job, given_up, status_of
from shardmill.submission.local import LocalCluster
from shardmill.submission.request import Request
from shardmill.submission.watcher import SILENT, Watcher


def run(
    directory: str | Path,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    watcher: Watcher = SILENT,
) -> Status:
    """Turn a directory into shards on this machine, and wait until it is done.

    Args:
        directory: The input directory.
        out: The output directory.
        spec: What to do with each file; by default every frame at source size.
        jobs: Decoders at a time; by default one a core.
        overwrite: Replace another spec's work in ``out``.
        watcher: Is told how it goes.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it: no Redis, no worker, disk full.
    """
    request = _request(directory, out, spec, goal="extract", overwrite=overwrite)
    return _run_here(request, jobs, watcher)


def probe(
    directory: str | Path,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    watcher: Watcher = SILENT,
) -> Status:
    """Find out what every file of a directory is, on this machine; ``out`` gets the manifest.

    Args:
        directory: The input directory.
        out: The output directory.
        spec: Only ``count_frames``, ``check``, ``include``, ``exclude`` and ``labels`` matter.
        jobs: Decoders at a time; by default one a core.
        overwrite: Replace another job's work in ``out``.
        watcher: Is told how it goes.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = _request(directory, out, spec, goal="probe", overwrite=overwrite)
    return _run_here(request, jobs, watcher)


def submit(
    directory: str | Path,
    *,
    out: str | Path,
    spec: Spec | None = None,
    settings: Settings | None = None,
    overwrite: bool = False,
    watcher: Watcher = SILENT,
) -> Job:
    """Hand a directory to the cluster; return as soon as its inputs are counted.

    Batches are sent from a thread of this process as the window allows: wait for the job, or at
    least until everything is sent.

    Args:
        directory: The input directory, at the same place on every worker.
        out: The output directory, at the same place on every worker.
        spec: What to do with each file; by default every frame at source size.
        settings: Where the cluster is; by default from the environment.
        overwrite: Replace another spec's work in ``out``.
        watcher: Is told what happens before the job runs.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: ``out`` cannot be written, or Redis does not answer.
    """
    request = _request(directory, out, spec, goal="extract", overwrite=overwrite)
    return _submit(request, settings or Settings.from_environment(), watcher)


def retry(
    out: str | Path,
    *,
    error_class: str | None = None,
    settings: Settings | None = None,
    watcher: Watcher = SILENT,
    **limits: Any,
) -> Status:
    """Try the failed files of a finished job again, and nothing else; wait until it is done.

    Files that were added, changed or removed since are left to the job's own command.

    Args:
        out: Output directory of the job.
        error_class: Only the files that failed for this reason; None means all.
        settings: Where the cluster is; None does it on this machine, like ``run``.
        watcher: Is told how it goes.
        limits: ``item_timeout_s`` and ``item_memory_bytes`` as in ``Spec``; None as before.

    Raises:
        UsageError: There is no such class, or ``out`` is no output directory.
        WrongState: The job is not finished, or nothing of it failed so.
        EnvironmentFault: This machine or the cluster cannot do it.
    """
    request = _retry_request(out, error_class, limits, settings)
    if settings is None:
        return _run_here(request, None, watcher)
    job = _submit(request, settings, watcher)
    try:
        return job.wait(watcher)
    finally:
        job.close()


def _retry_request(
    out: str | Path,
    error_class: str | None,
    limits: Mapping[str, Any],
    settings: Settings | None,
) -> Request:
    classes = tuple(ITEM_ERRORS) if error_class is None else (error_class,)
    if not set(classes) <= set(ITEM_ERRORS):
        raise UsageError(f"--class must be one of {', '.join(ITEM_ERRORS)}; got {error_class!r}")
    job = store.job_of(str(out))
    found = summary.status_of(str(out))
    if found.state == "running":
        raise WrongState(f"{out} is in work: wait until it is done, then retry")
    if found.state != "done":
        command = job.command("run" if settings is None else "submit")
        raise WrongState(
            f"{out} is not done yet, and going on with it retries what failed: `{command}`"
        )
    if not any(name in classes for name in found.tally.failures):
        what = "nothing failed" if error_class is None else f"nothing failed with {error_class}"
        raise WrongState(f"{what} in {out}: `shardmill failures` lists what did")
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Request(
        root=job.root,
        out=job.out,
        spec=replace(job.spec, **given),
        goal=job.goal,
        retry=classes,
    )


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
            if place.job is None:
                raise
    if snapshot is not None and (snapshot.state != "done" or place.job is None):
        return status_of(place.name, snapshot)
    if place.job is not None:
        return summary.status_of(str(job))
    raise UsageError(
        f"expected an output directory or the name of a job, got {str(job)!r}: "
        "`shardmill list` shows the jobs"
    )


def watch(
    job: str | Path, *, settings: Settings | None = None, watcher: Watcher = SILENT
) -> Status:
    """Wait until a job is done, paused or cancelled, whoever began it.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.
        watcher: Is told how it goes.

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
        if place.job is None:
            raise
        return summary.status_of(str(job))  # its Redis has ended with it


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
    return status_of(place.name, snapshot)


def _send_the_rest(out: str, place: locate.Place, watcher: Watcher) -> None:
    """Take the place of a producer that is gone."""
    job = place.job or (Written.read(out) if os.path.isdir(out) else None)
    if job is None or place.settings is None:
        watcher.note(f"if its producer is gone, go on where {out} can be seen: shardmill resume")
        return
    request = Request(root=job.root, out=job.out, spec=job.spec, goal=job.goal)
    if is_locked(Layout(job.out)):
        return
    if request.name != place.name:
        watcher.note(f"if its producer is gone, go on where OUT is {out}: {job.command('submit')}")
        return
    producer = _submit(request, place.settings, watcher)
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


def _steer(wanted: control.Control, job: str | Path, settings: Settings | None) -> Status:
    place = locate.find(str(job), settings or Settings.from_environment())
    return status_of(place.name, control.apply(wanted, place))


def _request(
    directory: str | Path, out: str | Path, spec: Spec | None, *, goal: Goal, overwrite: bool
) -> Request:
    return Request(
        root=os.path.abspath(directory),
        out=os.path.abspath(out),
        spec=spec or Spec(),
        goal=goal,
        overwrite=overwrite,
    )


def _submit(request: Request, settings: Settings, watcher: Watcher) -> Job:
    job = Job(request.name, request.out, settings)
    feeder = Feeder(request, settings, watcher)
    try:
        job.feed(feeder)
    except BaseException:
        feeder.close()
        job.close()
        raise
    return job


def _run_here(request: Request, jobs: int | None, watcher: Watcher) -> Status:
    settings = Settings.from_environment()
    if jobs is not None:
        settings = replace(settings, slots=jobs)
    with LocalCluster(settings) as cluster:
        job = _submit(request, cluster.settings, watcher)
        try:
            # Paused by hand it waits for its resumption: its Redis would end with it.
            return job.wait(watcher, check=cluster.check, until=given_up)
        finally:
            job.close()
