"""What is to do, written in the order of work: tables below ``OUT/.work`` and their batches.

Rows are grouped into probe batches by what is known before any file is opened: number and size.
The grouping depends on the rows alone, never on the number of workers, so equal inputs give equal
batches.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from shardmill.contract.batch import Batch
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.manifest_rows import ITEMS
from shardmill.dataset.work_table import MAX_ROWS, batch_of, without_rest, write_table

MAX_VIDEOS: Final = 256
"""Videos in a batch that is to be extracted."""
MAX_IMAGES: Final = 4096
"""Pictures in a batch that is to be extracted."""
PROBED_TIMES: Final = 4
"""A batch that is probed only has so many times as many."""
WANTED_BATCHES: Final = 16
"""A small job is cut into this many batches, so that several workers have something to do."""
MOST_SAID: Final = 8_000_000
"""Characters of labels and other columns from annotations in a batch."""
MOST_BYTES: Final = 64_000_000
"""A table of so many bytes ends with the batch at hand."""
SMALLEST: Final = 4
"""But not into batches of fewer files than this: a shard each."""


class Limits(Struct, frozen=True):
    """When a batch is full."""

    rows: int
    images: int
    """Pictures that fill a batch; of other files a sixteenth."""
    size_bytes: int

    @classmethod
    def of_job(cls, count: int, *, extracting: bool, full_bytes: int) -> "Limits":
        """Return the limits of a job.

        Args:
            count: Number of rows to do.
            extracting: False if probing is all.
            full_bytes: Input size that fills a shard.
        """
        images = MAX_IMAGES * (1 if extracting else PROBED_TIMES)
        batches = max(1, min(WANTED_BATCHES, math.ceil(count / SMALLEST)))
        most = min(math.ceil(count / batches), images)
        return cls(most, images, full_bytes if extracting else 2**62)


class Numbering:
    """The numbers of classes.

    Args:
        classes: Label to number.
    """

    def __init__(self, classes: Mapping[str, int]) -> None:
        self._labels = pa.array(classes, pa.string())
        self._numbers = pa.array(classes.values(), pa.int64())

    def apply(self, rows: pa.Table) -> pa.Table:
        """Return rows with ``label_ids`` beside their ``labels``.

        Raises:
            DatasetDamaged: A label has no number: rows have it, but ``classes.json`` has not.
        """
        column = rows["labels"].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks or [pa.array([], column.type)])
        flat = pc.list_flatten(column)
        places = pc.index_in(flat, self._labels)
        if places.null_count:
            missing = flat.filter(pc.is_null(places))[0].as_py()
            raise DatasetDamaged(
                f"expected every class in classes.json, found no {missing!r}: the job's own "
                "command makes it again"
            )
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        numbers = pa.ListArray.from_arrays(pa.array(offsets), self._numbers.take(places))
        return rows.append_column("label_ids", numbers)


def write_work(
    rows: Iterable[pa.RecordBatch],
    limits: Limits,
    numbering: Numbering,
    *,
    folder: str,
    spec_key: str,
) -> Iterator[Batch]:
    """Write the tables of a job and yield its batches, in the order of their rows.

    Args:
        rows: From ``Catalog.work``.
        limits: When a batch is full.
        numbering: Gives labels their numbers.
        folder: ``OUT/.work/<run>``.
        spec_key: Key of the job's spec.

    Raises:
        DatasetDamaged: A label has no number.
        OSError: OUT cannot be written.
    """
    for number, (table, ends) in enumerate(_tables(rows, limits)):
        items = table.select([name for name in table.column_names if name in ITEMS.names])
        items = without_rest(numbering.apply(items).combine_chunks())
        name = write_table(folder, f"inputs-{number:05}", items)
        for first, end in pairwise((0, *ends)):
            yield batch_of(items, first, end, name=name, stage="probe", spec_key=spec_key)


def _tables(rows: Iterable[pa.RecordBatch], limits: Limits) -> Iterator[tuple[pa.Table, list[int]]]:
    """Yield tables of whole batches, with the end of each batch."""
    held: pa.Table | None = None
    for chunk in rows:
        more = pa.Table.from_batches([chunk])
        held = more if held is None else pa.concat_tables([held, more])
        ends = _full_batches(held, limits)
        if ends and (ends[-1] >= MAX_ROWS or held.nbytes >= MOST_BYTES):
            yield held.slice(0, ends[-1]), ends
            held = held.slice(ends[-1])
    if held is not None and held.num_rows:
        ends = _full_batches(held, limits)
        yield held, ends if ends and ends[-1] == held.num_rows else [*ends, held.num_rows]


def _full_batches(rows: pa.Table, limits: Limits) -> list[int]:
    """Return the end of each batch that is full, or is followed by another split."""
    count = rows.num_rows
    weights = np.where(np.asarray(rows["is_picture"]), 1, MAX_IMAGES // MAX_VIDEOS)
    said = pc.utf8_length(pc.fill_null(rows["extra"], ""))
    weights = weights + np.asarray(said).astype(np.int64) * limits.images // MOST_SAID
    filled, size_bytes = np.cumsum(weights), np.cumsum(np.asarray(rows["size_bytes"]))
    split = pc.fill_null(rows["split"].combine_chunks(), "")
    changes = np.flatnonzero(np.asarray(pc.not_equal(split[1:], split[:-1]))) + 1
    ends: list[int] = []
    first = 0
    while first < count:
        before, before_bytes = (filled[first - 1], size_bytes[first - 1]) if first else (0, 0)
        end = min(
            first + limits.rows,
            int(np.searchsorted(filled, before + limits.images)) + 1,
            int(np.searchsorted(size_bytes, before_bytes + limits.size_bytes)) + 1,
        )
        place = int(np.searchsorted(changes, first, side="right"))
        if place < len(changes):
            end = min(end, int(changes[place]))
        if end > count:
            break
        ends.append(end)
        first = end
    return ends
