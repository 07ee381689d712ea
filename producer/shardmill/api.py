"""The Python interface: the same verbs as the command line, which is a thin layer over it."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from shardmill.contract.errors import LedgerUnavailable, UsageError
from shardmill.contract.job import Goal, Status
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.ledger.ledger import Ledger
from shardmill.report import store, summary
from shardmill.report.plan import Foresight, Plan, farm
from shardmill.submission.feed import Feeder
from shardmill.submission.job import Job, status_of
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


def plan(
    directory: str | Path,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    watcher: Watcher = SILENT,
) -> Plan:
    """Tell what ``run`` with the same arguments would come to; nothing is written to ``out``.

    Every file is probed, and some frames of a few dozen are extracted, to see how far estimates
    are off.

    Args:
        directory: The input directory.
        out: The output directory.
        spec: What to do with each file; by default every frame at source size.
        jobs: Decoders at a time; by default one a core.
        watcher: Is told how it goes.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = _request(directory, out, spec, goal="extract", overwrite=False)
    with tempfile.TemporaryDirectory(prefix=f"shardmill-plan-{os.getpid()}-") as scratch:
        probed, links, sampled = (f"{scratch}/{name}" for name in ("probed", "links", "sampled"))
        _run_here(replace(request, out=probed, goal="probe"), jobs, watcher)
        foresight = Foresight(probed, request.spec)
        if foresight.sample:
            farm(links, request.root, foresight.sample)
            sample = replace(request, root=links, out=sampled, spec=foresight.sample_spec)
            _run_here(sample, jobs, watcher, roots="")  # the links lie below no root
        return foresight.plan(sampled)


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


def status(job: str | Path, *, settings: Settings | None = None) -> Status:
    """Return how far a job is: from the ledger if it knows it, else from the output directory.

    Args:
        job: An output directory, or the name of a job.
        settings: Where the cluster is; by default from the environment.

    Raises:
        UsageError: Neither an output directory nor a job of that name.
        EnvironmentFault: Redis does not answer, and there is no such directory.
    """
    is_directory = os.path.isdir(job)
    name = store.job_of(str(job)).name if is_directory else str(job)
    ledger = Ledger(settings or Settings.from_environment())
    try:
        snapshot = ledger.snapshot(name)
    except LedgerUnavailable:
        if not is_directory:
            raise
        snapshot = None
    finally:
        ledger.close_connections()
    if snapshot is not None and snapshot.state != "done":
        return status_of(name, snapshot)
    if is_directory:
        return summary.status_of(str(job))
    if snapshot is not None:
        return status_of(name, snapshot)
    raise UsageError(f"expected an output directory or the name of a job, got {str(job)!r}")


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


def _run_here(
    request: Request, jobs: int | None, watcher: Watcher, *, roots: str | None = None
) -> Status:
    settings = Settings.from_environment()
    settings = replace(
        settings,
        slots=settings.slots if jobs is None else jobs,
        roots=settings.roots if roots is None else roots,
    )
    with LocalCluster(settings) as cluster:
        job = _submit(request, cluster.settings, watcher)
        try:
            return job.wait(watcher, check=cluster.check)
        finally:
            job.close()
