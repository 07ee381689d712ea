"""What the ledger's entry of a job says, and what it must look like to say anything."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from shardmill.contract.errors import InvalidMessage
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Job
from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Failure, Live, Share

_TEXT_FIELDS: Final = {"state", "reason", "out", "roots", "goal", "spec", "run"}

MOST: Final = 2**53
BEFORE: Final = ("probed", "frames")
"""Counters of which the ledger remembers what they were when the job was opened."""


def encode(job: Job, counters: Mapping[str, int], *, run: str) -> dict[str, str | int]:
    """Return the entry of a job that begins.

    Args:
        job: The job.
        counters: What its manifest holds already; remembered apart, so that rates are of this run.
        run: Tells this opening from others.
    """
    before = {f"{name}_before": clamped(counters.get(name, 0)) for name in BEFORE}
    entry: dict[str, str | int] = {
        "state": "running",
        "reason": "",
        "out": job.out,
        "roots": json.dumps(job.roots.paths),
        "goal": job.goal,
        "spec": json.dumps(job.spec.encode()),
        "run": run,
        "started_ms": round(job.started_s * 1000),
    }
    if job.inputs is not None:
        entry["files"] = job.inputs
    return entry | before | {name: clamped(amount) for name, amount in counters.items()}


def clamped(amount: int) -> int:
    """Return what a counter can hold: Redis's scripts count in doubles, exact up to 2**53."""
    return max(-MOST, min(MOST, amount))


def decode(name: str, values: Mapping[str, str]) -> tuple[Job, str]:
    """Return a job and its run.

    Raises:
        InvalidMessage: The entry is no job of this version.
    """
    try:
        root, *more_roots = map(_path, json.loads(values["roots"]))
        job = Job(
            name=name,
            root=root,
            more_roots=tuple(more_roots),
            out=values["out"],
            goal=values["goal"],  # type: ignore[arg-type]
            spec=_spec(values["spec"]),
            inputs=int(values["files"]) if "files" in values else None,
            started_s=int(values["started_ms"]) / 1000,
        )
        return job, values["run"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _invalid(name, error) from error


@lru_cache(maxsize=8)
def _spec(text: str) -> Spec:
    """Read a spec, which is the same in every batch of a job."""
    return Spec.decode(json.loads(text))


def snapshot(name: str, answer: Sequence[Any]) -> Snapshot | None:
    """Return a job's numbers from what the script tells; None if the ledger does not know it.

    Raises:
        InvalidMessage: The entry is no job of this version.
    """
    flat, waiting, leased, live, now_ms, shares, failures = answer
    values = _pairs(flat)
    if "state" not in values:
        return None
    try:
        held = [Live.decode(text) for text in live]
        ended_ms = int(values.get("ended_ms") or now_ms)
        return Snapshot(
            state=values["state"],  # type: ignore[arg-type]
            reason=values["reason"],
            out=values["out"],
            run=values["run"],
            inputs=int(values["inputs"]) if "inputs" in values else None,
            counters={k: int(v) for k, v in values.items() if k not in _TEXT_FIELDS},
            inflight=waiting + leased,
            leased=leased,
            live=Live.total(held),
            seconds=max(0.0, (ended_ms - int(values["started_ms"])) / 1000),
            held=held,
            shares=Share.decode_all(_pairs(shares)),
            failures=[Failure.decode(text) for text in failures],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(name, error) from error


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    """Return a hash as a script tells it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _invalid(name: str, error: Exception) -> InvalidMessage:
    return InvalidMessage(f"the ledger's entry of job {name!r} is none: {error}")


def _path(path: object) -> str:
    if not isinstance(path, str) or not os.path.isabs(path):
        raise ValueError(f"expected an absolute path, got {path!r}")
    return path
