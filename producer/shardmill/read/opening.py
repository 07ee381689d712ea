"""Opening an output directory: the committed clips, all or those that are wanted."""

import os
from collections.abc import Callable, Collection, Sequence
from functools import reduce
from numbers import Integral
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged, UsageError
from shardmill.contract.quantity import format_count
from shardmill.dataset.layout import Layout, split_of
from shardmill.read.committed import Contents, Manifest, contents
from shardmill.read.index_file import ADVICE
from shardmill.read.seams import Seams
from shardmill.read.shards import Columns, Files, Shards
from shardmill.read.wanted import Filter, by_condition, by_labels

ALL_SPLITS: Final = "all"
"""Stands for all splits together where one is to be named."""
_TRIES: Final = 8
"""How often an output directory is listed that changes while it is opened."""

Read = TypeVar("Read")


def open_shards(
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    labels: str | Collection[str] | None = None,
    where: str | None = None,
    threads: int = 1,
    check: bool = False,
) -> Shards:
    """Return the committed clips, as they are now; the job may go on meanwhile.

    Args:
        out: Output directory.
        split: Only clips of this split; ``all`` means every split's.  A data set that has splits
            must be asked for one, since to train on what is kept for testing goes unnoticed.
        labels: Only clips that have one of these classes, or this one; None means all.
        where: Only clips for which this SQL condition is true, over the columns of ``files``
            (``shardmill query OUT "describe files"`` shows them), each clip of a file with its own
            labels, range and frames: ``fps >= 24 and path like 'train/%'``.
        threads: How many decode the frames of a window at a time.  More than one is for a process
            that reads alone; where several do, each is busy with windows of its own.
        check: Compare the frames of a clip with their checksum before the clip is first used in a
            process.  That reads all its encoded frames once; nothing is decoded for it.

    Raises:
        UsageError: ``out`` holds no manifest, there is no such split or label, or several of which
            none is named, the SQL is wrong, or an option is impossible.
        DatasetDamaged: The manifest or an index is damaged.
    """
    _check_options(threads=threads, check=check)
    out = os.path.abspath(out)

    def read(rows: Manifest) -> tuple[Sequence[str], list[Filter], Contents, Seams | None]:
        filters = [by_labels(out, labels)] if labels is not None else []
        filters += [by_condition(out, where, rows)] if where is not None else []
        names = _of_split(rows.shards(), split)
        found = contents(out, names, [each.column for each in filters])
        if not len(found.cut_clip_ids):
            return names, filters, found, None
        return names, filters, found, Seams.of(found, rows.belonging(found.cut_clip_ids))

    names, filters, found, seams = _read_whole(out, read)
    is_clip = found.clip_parts == 1
    if seams is not None:
        is_clip[seams.clips] = True
        found.lengths[seams.clips] = seams.lengths
    masks = [each.among(found.columns[each.column]) & is_clip for each in filters]
    clips = Columns.of(found, reduce(np.logical_and, masks, is_clip))
    edges = np.cumsum([0, *found.counts], dtype=np.int64)
    return Shards(
        Files(Layout(out), names, found.places, edges, seams),
        clips,
        most_labels=max(1, found.most_labels),
        chosen_by=_choice_text(filters, masks, int(np.count_nonzero(is_clip)), split),
        threads=int(threads),
        check=check,
    )


def _read_whole(out: str, read: Callable[[Manifest], Read]) -> Read:
    """Return what is read of an output directory; list it again where files went meanwhile.

    Raises:
        DatasetDamaged: A file is damaged or missing, and no other listing leaves it out.
    """
    fault: FileNotFoundError | DatasetDamaged
    listing: tuple[list[str], list[str] | None] | None = None
    for _ in range(_TRIES):
        rows = Manifest(out)
        try:
            return read(rows)
        except (FileNotFoundError, DatasetDamaged) as error:
            fault, earlier, listing = error, listing, rows.listing
            if listing == earlier:
                break
    if isinstance(fault, DatasetDamaged):
        raise fault
    raise DatasetDamaged(f"{fault.filename} is missing, which is committed; {ADVICE}") from fault


def _check_options(*, threads: Any, check: Any) -> None:
    if not isinstance(threads, Integral) or int(threads) < 1:
        raise UsageError(f"threads must be at least 1, got {threads!r}")
    if not isinstance(check, bool):
        raise UsageError(f"check must be True or False, got {check!r}")


def _choice_text(
    filters: Sequence[Filter], masks: Sequence[NDArray[np.bool_]], count: int, split: str | None
) -> str:
    """Return how many of all clips each filter chose."""
    clips = format_count(count, "clip") + (f" of split {split!r}" if split else "")
    if not filters:
        return f"the data set has {clips}"
    chosen = (
        f"{each.text} {np.count_nonzero(mask):,} of {clips}"
        for each, mask in zip(filters, masks, strict=True)
    )
    return " and ".join(chosen)


def _of_split(shards: Sequence[str], split: str | None) -> Sequence[str]:
    if split is not None and not isinstance(split, str):
        raise UsageError(f"split must be the name of a split, got {split!r}")
    there = sorted({found for name in shards if (found := split_of(name))})
    if split is None and there:
        raise UsageError(
            f"the data set has the splits {', '.join(there)}: name one, as in "
            f"split={there[0]!r}, or take them together with split={ALL_SPLITS!r}"
        )
    if split is None or split == ALL_SPLITS:
        return shards
    chosen = [name for name in shards if split_of(name) == split]
    if not chosen:
        raise UsageError(f"expected a split among {', '.join(there) or 'none'}; got {split!r}")
    return chosen
