"""The verbs that do again what came to nothing: ``retry``, ``mend``."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from shardmill.api.starting import run_here
from shardmill.contract.errors import ITEM_ERRORS, UsageError, WrongState
from shardmill.contract.settings import Settings
from shardmill.dataset.job import Status
from shardmill.monitor.notebook import showing
from shardmill.monitor.watcher import Watcher
from shardmill.producer.job_handle import hand_over
from shardmill.producer.request import Request
from shardmill.report import store, summary
from shardmill.report.verify import verify, withdraw


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
        return run_here(request, None, watcher)
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
    return replace(Request.of(job, retry=classes), spec=dataclasses.replace(job.spec, **given))
