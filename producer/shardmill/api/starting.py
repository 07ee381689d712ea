"""The verbs that begin work: ``run``, ``probe``, ``submit``."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shardmill.annotations import with_absolute_paths
from shardmill.contract.location.roots import STANDARD_INPUT, Inputs
from shardmill.contract.settings import Settings
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Goal, Status
from shardmill.local.cluster import LocalCluster
from shardmill.monitor.notebook import showing
from shardmill.monitor.watcher import SILENT, Watcher
from shardmill.producer.request import Request
from shardmill.storage import scratch

if TYPE_CHECKING:
    from shardmill.producer.job_handle import Job


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
    request = request_of(directory, out, spec, goal="extract", overwrite=overwrite)
    return run_here(request, jobs, watcher)


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
            ``archives``, ``sequences``, ``fps_of``, ``dedup`` and ``labels`` matter.
        jobs: Decoders at a time; by default one a core.
        overwrite: Replace another job's work in ``out``.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = request_of(directory, out, spec, goal="probe", overwrite=overwrite)
    return run_here(request, jobs, watcher)


def submit(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    settings: Settings | None = None,
    overwrite: bool = False,
    watcher: Watcher = SILENT,
) -> "Job":
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
    request = request_of(directory, out, spec, goal="extract", overwrite=overwrite)
    from shardmill.producer.job_handle import hand_over

    return hand_over(request, settings or Settings.from_environment(), watcher)


def request_of(
    directory: str | Path | Inputs,
    out: str | Path,
    spec: Spec | None,
    *,
    goal: Goal,
    overwrite: bool,
) -> Request:
    """Return what a verb was asked for, with absolute paths.

    Raises:
        UsageError: It cannot be.
    """
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
        prune=inputs.prune,
    )


def run_here(
    request: Request, jobs: int | None, watcher: Watcher | None, *, roots: str | None = None
) -> Status:
    """Do a job with a cluster that begins and ends with it.

    Args:
        request: The job.
        jobs: Decoders at a time; by default as the settings say.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.
        roots: Where input may lie, as in the setting; by default as that says.

    Raises:
        UsageError: The request is impossible, or the output belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    settings = Settings.from_environment()
    allowed = settings.roots if roots is None else roots
    if allowed and (aside := scratch.own(request.out)) is not None:
        allowed = f"{allowed}:{aside}"  # as of a plan, whose results lie nowhere else
    slots = settings.slots if jobs is None else jobs
    settings = replace(settings, slots=slots, roots=allowed)
    with showing(watcher) as shown, LocalCluster(settings) as cluster:
        shown.begin()
        # Celery takes half a second to load: here while it does in the worker.
        from shardmill.producer.job_handle import given_up, hand_over

        job = hand_over(request, cluster.settings, shown)
        try:
            # Paused by hand it waits for its resumption: its Redis would end with it.
            status = job.wait(shown, check=cluster.check, until=given_up)
            cluster.is_idle = status.state == "done"
            return status
        finally:
            job.close()
