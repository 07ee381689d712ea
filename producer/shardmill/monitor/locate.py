"""Where a job's live state is: in the cluster's ledger, or in the private one of a run here.

The producer of an embedded run names its Redis in ``OUT/.lock``.  That is believed only of a
living process of this user on this machine, and only if the socket lies in a directory that
nobody else can write: else whoever can write OUT could lead others to a Redis of his own.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from msgspec import Struct

from shardmill.contract.errors import LedgerUnavailable, UsageError
from shardmill.contract.settings import Settings
from shardmill.dataset.holder import Holder
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.ledger.ledger import Ledger
from shardmill.local.cluster import SCRATCH, SOCKET
from shardmill.storage import scratch

UNIX: Final = "unix://"


class Place(Struct, frozen=True, kw_only=True):
    """A job by its name, and where its ledger is."""

    name: str
    """Name of the job."""
    job: Job | None
    """What ``OUT/job.json`` says; None if only the name was given."""
    settings: Settings | None
    """Of its ledger; None if the job was an embedded run that has ended, its ledger with it."""


def find(target: str, settings: Settings) -> Place:
    """Return where the job of an output directory, or the job of that name, is.

    Args:
        target: An output directory or the name of a job.
        settings: Of the cluster, where it is not an embedded run's job.

    Raises:
        UsageError: A directory that is no output directory.
        DatasetDamaged: ``job.json`` cannot be understood.
    """
    if os.path.isdir(target):
        job = Job.read(target)
        if job is None:
            raise UsageError(
                f"expected an output directory or the name of a job, found no job.json in "
                f"{target!r}: give the directory that was given as --out"
            )
        return Place(name=job.name, job=job, settings=_settings_of(job, settings))
    for private in embedded(settings):
        if _knows(private, target):
            return Place(name=target, job=None, settings=private)
    return Place(name=target, job=None, settings=settings)


def embedded(settings: Settings) -> Iterator[Settings]:
    """Yield the settings of each embedded run of this user on this machine."""
    for directory in scratch.living(SCRATCH):
        if (url := private_url(os.path.join(directory, SOCKET))) is not None:
            yield replace(settings, redis_url=url)


def _settings_of(job: Job, settings: Settings) -> Settings | None:
    holder = Holder.read(Layout(job.out))
    if holder is None or not holder.is_here or not was_embedded(holder):
        return settings
    url = private_url(holder.redis_url.removeprefix(UNIX))
    return replace(settings, redis_url=url) if url is not None else None


def was_embedded(holder: Holder) -> bool:
    """Return True if a producer's ledger was private to it, and so ended with it."""
    return _is_private(holder.redis_url)


def has_ended(settings: Settings) -> bool:
    """Return True if a ledger was private to an embedded run that has ended.

    Waiting for such a Redis is in vain: the output directory has the last word.
    """
    url = settings.redis_url
    return _is_private(url) and private_url(url.removeprefix(UNIX)) is None


def _is_private(url: str) -> bool:
    directory = os.path.dirname(url.removeprefix(UNIX))
    is_scratch = os.path.basename(directory).startswith(f"{scratch.PREFIX}{SCRATCH}-")
    return url.startswith(UNIX) and os.path.basename(url) == SOCKET and is_scratch


def at_work_elsewhere(name: str, before: Holder | None, settings: Settings) -> bool:
    """Tell whether the last producer left work to another cluster that is still at it.

    Args:
        name: Name of the job.
        before: The last producer.
        settings: Of the cluster that is to do the job now.
    """
    if before is None or was_embedded(before) or before.redis_url == settings.shown_url:
        return False
    try:
        ledger = Ledger(replace(settings, redis_url=before.redis_url))
    except UsageError:
        return False  # no producer of ours has written that
    try:
        snapshot = ledger.snapshot(name)
    except LedgerUnavailable:
        return False  # gone, or not for us: the output directory is the truth
    finally:
        ledger.close_connections()
    return snapshot is not None and snapshot.inflight > 0


def private_url(path: str) -> str | None:
    """Return the URL of an embedded run's Redis; None if it has ended or cannot be trusted."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    ours = stat.S_ISSOCK(status.st_mode) and status.st_uid == os.geteuid()
    return UNIX + path if ours and scratch.is_living(os.path.dirname(path), SCRATCH) else None


def _knows(settings: Settings, name: str) -> bool:
    ledger = Ledger(settings)
    try:
        return name in ledger.jobs()
    except LedgerUnavailable:
        return False  # it has ended since
    finally:
        ledger.close_connections()
