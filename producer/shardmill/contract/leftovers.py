"""Files of an output directory that belong to no committed batch, and how they go.

Whoever is killed leaves some: a worker its attempt's directory and shards that no manifest part
names, the end of a job a table or a summary half written.
"""

import os
import re
import shutil
from contextlib import suppress
from typing import Final

from shardmill.contract.layout import Layout
from shardmill.contract.manifest import shards_of

_HALF_WRITTEN: Final = re.compile(r"(job|classes|summary)\.json\.\d+\.tmp")
_BEGUN: Final = {"shards", "index", "manifest", "classes.json"}
_TABLE: Final = re.compile(r"files-[0-9a-f]{32}\.parquet")


def remove_leftovers(layout: Layout, *, run: str = "") -> None:
    """Remove what belongs to no committed batch and never will; nobody may be writing it.

    Args:
        layout: The output directory.
        run: Only what attempts of this run left, and whoever tried to end it; empty means
            all.  A run that has ended must not touch the files of the next.
    """
    committed = {shard for part in layout.parts() for shard in shards_of(part)}
    keep = {os.path.splitext(shard)[0] for shard in committed}
    for directory in (layout.shards, layout.index):
        for name in os.listdir(directory):
            stem = os.path.splitext(name)[0]
            if stem.startswith("part-") and stem not in keep and _attempt(stem).endswith(run):
                _remove(os.path.join(directory, name))
    for name in os.listdir(layout.tmp):
        if _attempt(name).endswith(run) or _TABLE.fullmatch(name):
            _remove(os.path.join(layout.tmp, name))
    for name in filter(_HALF_WRITTEN.fullmatch, os.listdir(layout.out)):
        if not run or name.startswith(os.path.basename(layout.summary)):
            _remove(os.path.join(layout.out, name))


def is_begun(layout: Layout) -> bool:
    """Tell whether a directory without ``job.json`` holds a job that got no further.

    Its producer died before it wrote down what is to be done.
    """
    names = [name for name in os.listdir(layout.out) if name != os.path.basename(layout.tmp)]
    lock = os.path.basename(layout.lock)
    others = set(names) - _BEGUN - {lock}
    return lock in names and all(map(_HALF_WRITTEN.fullmatch, others))


def _attempt(name: str) -> str:
    """Return the attempt of ``<batch>-<attempt>`` or ``part-<batch>-<attempt>.<number>``."""
    return name.rpartition("-")[2].partition(".")[0]


def _remove(path: str) -> None:
    """Remove a file or a directory; whoever made it may be doing so itself."""
    with suppress(FileNotFoundError):
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
