"""What a batch is called where people see it: ``clips-6286b08a/basketball… 64 files 112 MB``."""

import os
from collections.abc import Sequence
from typing import Final

from shardmill.contract.batch import Batch
from shardmill.contract.quantity import format_bytes, format_count, printable

LONGEST_PATH: Final = 24
"""A longer path keeps its end, which tells files of one folder apart."""
LONGEST_PREFIX: Final = 12
"""What many files have in common keeps its beginning; Flower shows about fifty characters."""
SHORTEST_PREFIX: Final = 3
"""A shorter common prefix means less than the name of the first file."""


def subject_of(paths: Sequence[str], *, segment: int = 0, segments: int = 1) -> str:
    """Return what some files have in common, or the one file: printable and short.

    Args:
        paths: The first and the last file in the order of paths, or the one file.
        segment: Which of its file's parts the one file is, from 0.
        segments: Number of its file's parts.
    """
    if len(paths) > 1:
        same = os.path.commonprefix(list(paths))  # noqa: RUF071 - "class1/walk" means more than "class1"
        place = printable(same if len(same) >= SHORTEST_PREFIX else paths[0])
        return f"{place[:LONGEST_PREFIX]}…"
    part = f" part {segment + 1}/{segments}" if segments > 1 else ""
    path = printable(paths[0])
    return (path if len(path) <= LONGEST_PATH else "…" + path[1 - LONGEST_PATH :]) + part


def title(job: str, batch: Batch) -> str:
    """Return the job, what its files have in common, their number and size: one line of text."""
    if not batch.subject:
        return job
    size = "" if batch.size_bytes is None else f" {format_bytes(batch.size_bytes)}"
    if len(batch) > 1:
        return f"{job}/{batch.subject} {format_count(len(batch), 'file')}{size}"
    return f"{job}/{batch.subject}{size}"
