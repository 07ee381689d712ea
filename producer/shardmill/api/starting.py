"""The verbs that begin work: ``run``, ``probe``, ``plan``, ``submit``, ``retry``."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shardmill.contract.errors import (
    ITEM_ERRORS,
    UsageError,
    WrongState,
)
from shardmill.contract.job import Goal, Status
from shardmill.contract.roots import STANDARD_INPUT, Inputs
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.report import store, summary
from shardmill.report.plan import Foresight, Plan, farm
from shardmill.report.verify import verify, withdraw
from shardmill.submission.annotations.sources import with_absolute_paths
from shardmill.submission.feed import Feeder
from shardmill.submission.job import Job, given_up
from shardmill.submission.local import LocalCluster
from shardmill.submission.notebook import showing
from shardmill.submission.request import Request
from shardmill.submission.watcher import SILENT, ProgressOnly, Watcher


def run(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Status:
    """Turn a directory into shards on this machine, and wait until it is done.

    Args:
        directory: The input directory, or ``Inputs``.
        out: The output directory.
        spec: What to do with each file; by default every frame at source size.
        jobs: Decoders at a time; by default one a core.
        overwrite: Replace another spec's work in ``out``.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it: no Redis, no worker, disk full.
    """
    request = _request(directory, out, spec, goal="extract", overwrite=overwrite)
    return _run_here(request, jobs, watcher)


def probe(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Status:
    """Find out what every file of a directory is, on this machine; ``out`` gets the manifest.

    Args:
        directory: The input directory, or ``Inputs``.
        out: The output directory.
        spec: Only ``count_frames``, ``check``, ``include``, ``exclude``, ``hidden``,
            ``archives``, ``dedup`` and ``labels`` matter.
        jobs: Decoders at a time; by default one a core.
        overwrite: Replace another job's work in ``out``.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = _request(directory, out, spec, goal="probe", overwrite=overwrite)
    return _run_here(request, jobs, watcher)


def plan(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Plan:
    """Tell what ``run`` with the same arguments would come to; nothing is written to ``out``.

    Every file is probed, and some frames of a few dozen are extracted, to see how far estimates
    are off.

    Args:
        directory: The input directory, or ``Inputs``.
        out: The output directory.
        spec: What to do with each file; by default every frame at source size.
        jobs: Decoders at a time; by default one a core.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = _request(directory, out, spec, goal="extract", overwrite=False)
    scratch_name = f"shardmill-plan-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=scratch_name) as scratch, showing(watcher) as shown:
        probed, links, sampled = (f"{scratch}/{name}" for name in ("probed", "links", "sampled"))
        _run_here(replace(request, out=probed, goal="probe"), jobs, shown)
        foresight = Foresight(probed, request.spec)
        if foresight.sample:
            farm(links, request.roots, foresight.sample)
            spec = foresight.sample_spec(f"{scratch}/sample.jsonl")
            sample = Request(root=links, out=sampled, spec=spec, goal=request.goal)
            _run_here(sample, jobs, ProgressOnly(shown), roots="")  # the links lie below no root
        return foresight.plan(sampled)


def submit(
    directory: str | Path | Inputs,
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
        directory: The input directory, or ``Inputs``, at the same place on every worker.
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
    return hand_over(request, settings or Settings.from_environment(), watcher)


def retry(
    out: str | Path,
    *,
    error_class: str | None = None,
    settings: Settings | None = None,
    watcher: Watcher | None = None,
    **limits: Any,
) -> Status:
    """Try the failed files of a finished job again, and nothing else; wait until it is done.

    Files that were added, changed or removed since are left to the job's own command.

    Args:
        out: Output directory of the job.
        error_class: Only the files that failed for this reason; None means all.
        settings: Where the cluster is; None does it on this machine, like ``run``.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.
        limits: ``item_timeout_s`` and ``item_memory_bytes`` as in ``Spec``; None as before.

    Raises:
        UsageError: There is no such class, or ``out`` is no output directory.
        WrongState: The job is not finished, or nothing of it failed so.
        EnvironmentFault: This machine or the cluster cannot do it.
    """
    return _do(_retry_request(out, error_class, limits, settings), settings, watcher)


def mend(
    out: str | Path,
    *,
    deep: bool = False,
    settings: Settings | None = None,
    watcher: Watcher | None = None,
) -> Status:
    """Make again what ``verify`` finds damaged, and whatever else the job has to do.

    Args:
        out: Output directory of the job.
        deep: Look for frames that do not decode, too.
        settings: Where the cluster is; None does it on this machine, like ``run``.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: ``out`` is no output directory.
        WrongState: The job is at work.
        EnvironmentFault: This machine or the cluster cannot do it.
    """
    job = store.job_of(str(out))
    if summary.status_of(str(out)).state == "running":
        raise WrongState(f"{out} is in work: wait until it is done, then look for damage")
    job.check_repeatable()
    request = Request.of(job)  # refuses what cannot be done before anything is taken away
    found = verify(str(out), deep=deep).problems
    with showing(watcher) as shown:
        shown.note(f"{len(found)} problems; {withdraw(str(out), found)} parts are made again")
        return _do(request, settings, shown)


def _do(request: Request, settings: Settings | None, watcher: Watcher | None) -> Status:
    """Do a job on this machine, or on the cluster."""
    if settings is None:
        return _run_here(request, None, watcher)
    with showing(watcher) as shown:
        job = hand_over(request, settings, shown)
        try:
            return job.wait(shown)
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
    return replace(Request.of(job, retry=classes), spec=replace(job.spec, **given))


def _request(
    directory: str | Path | Inputs,
    out: str | Path,
    spec: Spec | None,
    *,
    goal: Goal,
    overwrite: bool,
) -> Request:
    inputs = directory if isinstance(directory, Inputs) else Inputs((directory,))
    root, *more_roots = map(os.path.abspath, inputs.directories)
    list_file = inputs.list_file
    if list_file is not None and list_file != STANDARD_INPUT:
        list_file = os.path.abspath(list_file)
    return Request(
        root=root,
        more_roots=tuple(more_roots),
        list_file=list_file,
        out=os.path.abspath(out),
        spec=with_absolute_paths(spec or Spec()),
        goal=goal,
        overwrite=overwrite,
    )


def hand_over(request: Request, settings: Settings, watcher: Watcher) -> Job:
    """Begin a job, fed from a thread of this process; the caller closes it."""
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
    request: Request, jobs: int | None, watcher: Watcher | None, *, roots: str | None = None
) -> Status:
    settings = Settings.from_environment()
    settings = replace(
        settings,
        slots=settings.slots if jobs is None else jobs,
        roots=settings.roots if roots is None else roots,
    )
    with showing(watcher) as shown, LocalCluster(settings) as cluster:
        job = hand_over(request, cluster.settings, shown)
        try:
            # Paused by hand it waits for its resumption: its Redis would end with it.
            status = job.wait(shown, check=cluster.check, until=given_up)
            cluster.is_idle = status.state == "done"
            return status
        finally:
            job.close()
