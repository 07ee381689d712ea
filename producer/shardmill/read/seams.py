"""Clips that were cut for parallel work: which parts belong to each, in the order of time.

The index of a shard has a row for each part.  Which parts make up a clip, the manifest decides:
later ones may have failed, or lie behind damage, or not be there yet.  What is kept is a few
numbers a part; of other clips nothing is kept.
"""

from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.read.committed import Contents
from shardmill.read.index_file import ADVICE


class Seams(Struct, frozen=True):
    """The parts of C clips that were cut, P of them."""

    clips: NDArray[np.int32]
    """Number of each clip's first part among all rows of the indexes, increasing.  Shape (C,)."""
    edges: NDArray[np.int64]
    """Where the parts of each clip begin in ``rows``, and their end.  Shape (C + 1,)."""
    rows: NDArray[np.int32]
    """Number of each part among all rows, in the order of time clip by clip.  Shape (P,)."""
    starts: NDArray[np.int64]
    """First frame of each part, counted within its clip.  Shape (P,)."""
    lengths: NDArray[np.int32]
    """Frames of each clip.  Shape (C,)."""

    @classmethod
    def of(cls, found: Contents, belonging: pa.Table) -> Self:
        """Put the parts of indexes together.

        Args:
            found: What the indexes say of N rows.
            belonging: ``clip_id`` of each clip that was cut, and how many ``parts`` belong to it.

        Raises:
            DatasetDamaged: A part is not in the index, or has frames of another size.
        """
        rows = np.flatnonzero(found.clip_parts > 1)
        ids = found.cut_clip_ids
        known = pc.index_in(ids, value_set=belonging["clip_id"].combine_chunks())
        is_known = np.asarray(known.is_valid(), bool)
        clip = np.asarray(pc.fill_null(known, 0), np.int64)
        counts = np.asarray(belonging["parts"], np.int64)
        part = found.clip_part[rows]
        if counts.size:
            is_known &= part < counts[clip]
        kept = np.flatnonzero(is_known)
        kept = kept[np.lexsort((part[kept], clip[kept]))]
        rows, clip, part = rows[kept], clip[kept], part[kept]
        _, first, sizes = np.unique(clip, return_index=True, return_counts=True)
        place = np.arange(rows.size) - np.repeat(first, sizes)
        head = np.repeat(rows[first], sizes)
        for at_fault, what in (
            (part != place, "lacks a part, or has one twice, in the index"),
            (np.repeat(sizes != counts[clip[first]], sizes), "lacks its last part in the index"),
            ((found.sizes[rows] != found.sizes[head]).any(axis=1), "has parts of several sizes"),
            (found.encodings[rows] != found.encodings[head], "has parts of several encodings"),
        ):
            if at_fault.any():
                clip_id = ids[int(kept[np.argmax(at_fault)])].as_py()
                raise DatasetDamaged(f"clip {clip_id} {what}; {ADVICE}")
        return cls._in_order_of_rows(rows, found.lengths[rows].astype(np.int64), first, sizes)

    @classmethod
    def _in_order_of_rows(
        cls,
        rows: NDArray[np.int64],
        lengths: NDArray[np.int64],
        first: NDArray[np.int64],
        sizes: NDArray[np.int64],
    ) -> Self:
        """Return the same clips by the row of their first part.

        Args:
            rows: Those of all parts, clip by clip.  Shape (P,).
            lengths: Frames of each part.  Shape (P,).
            first: Place of each clip's first part.  Shape (C,).
            sizes: Parts of each clip.  Shape (C,).
        """
        order = np.argsort(rows[first], kind="stable")
        sizes = sizes[order]
        edges = np.cumsum([0, *sizes], dtype=np.int64)
        takes = np.repeat(first[order] - edges[:-1], sizes) + np.arange(rows.size)
        rows, lengths = rows[takes], lengths[takes]
        before = np.cumsum([0, *lengths], dtype=np.int64)
        starts = before[:-1] - np.repeat(before[edges[:-1]], sizes)
        totals = before[edges[1:]] - before[edges[:-1]]
        heads = rows[edges[:-1]] if sizes.size else rows
        return cls(
            heads.astype(np.int32),
            edges,
            rows.astype(np.int32),
            starts,
            totals.astype(np.int32),
        )

    def parts_of(self, number: int) -> slice | None:
        """Return which of ``rows`` are the parts of a clip; None of a clip that was not cut.

        Args:
            number: The row of the clip, or of its first part.
        """
        place = int(np.searchsorted(self.clips, number))
        if place == self.clips.size or self.clips[place] != number:
            return None
        return slice(int(self.edges[place]), int(self.edges[place + 1]))
