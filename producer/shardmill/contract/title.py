"""What a batch is called where people see it: ``clips-6286b08a/basketball… 64 files 112 MB``."""

import os
from typing import Final

from shardmill.contract.batch import Batch
from shardmill.contract.quantity import format_bytes, format_count, printable

LONGEST_PATH: Final = 24
"""A longer path keeps its end, which tells files of one folder apart."""
LONGEST_PREFIX: Final = 12
"""What many files have in common keeps its beginning; Flower shows about fifty characters."""
SHORTEST_PREFIX: Final = 3
"""Where files of all folders were mixed, the first one's name tells more than one letter."""


def title(job: str, batch: Batch) -> str:
    """Return the job, what its files have in common, their number and size: one line of text."""
    if not batch.items:
        return job
    size = format_bytes(sum(item.size_bytes for item in batch.items))
    paths = [item.path for item in batch.items]
    if len(paths) > 1:
        same = os.path.commonprefix(paths)  # noqa: RUF071 - "class1/walk" tells more than "class1"
        place = printable(same if len(same) >= SHORTEST_PREFIX else paths[0])
        return f"{job}/{place[:LONGEST_PREFIX]}… {format_count(len(paths), 'file')} {size}"
    (item,) = batch.items
    path = printable(item.path)
    if len(path) > LONGEST_PATH:
        path = "…" + path[1 - LONGEST_PATH :]
    part = f" part {item.segment + 1}/{item.segments}" if item.segments > 1 else ""
    return f"{job}/{path}{part} {size}"
