"""Which clips of an output directory are wanted: by class, or by a condition in SQL."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import UsageError
from shardmill.dataset.classes import read_classes
from shardmill.dataset.layout import Layout
from shardmill.read.committed import Manifest

_NAMED = 8
"""Classes that a message names."""


class Filter(Struct, frozen=True):
    """Clips with one of some values in a column of the index."""

    text: str
    """What was asked, to be followed by a number of clips: "labels=['cat'] is of"."""
    column: str
    """Text, or lists of it."""
    values: pa.Array
    """The values, text."""

    def among(self, cells: pa.ChunkedArray) -> NDArray[np.bool_]:
        """Return which clips these are.

        Args:
            cells: ``column`` of N clips.

        Returns:
            Shape (N,).
        """
        if not pa.types.is_list(cells.type):
            return np.asarray(pc.is_in(cells, self.values), bool)
        chosen = np.zeros(len(cells), bool)
        of_clip = np.asarray(pc.list_parent_indices(cells))
        chosen[of_clip[np.asarray(pc.is_in(pc.list_flatten(cells), self.values), bool)]] = True
        return chosen


def by_labels(out: str, labels: Collection[str]) -> Filter:
    """Return the filter for clips that have one of some classes; a text is one class.

    Raises:
        UsageError: There is no such class, or none is named.
    """
    asked = [labels] if isinstance(labels, str) else labels
    if not isinstance(asked, Collection) or not all(isinstance(name, str) for name in asked):
        raise UsageError(f"labels must be names of classes, got {labels!r}")
    if not asked:
        raise UsageError("labels must name at least one class, got none: leave it out for all")
    try:
        classes = read_classes(Layout(out))
    except FileNotFoundError:
        classes = {}
    if unknown := sorted(set(asked) - set(classes)):
        raise UsageError(
            f"expected labels among {', '.join(sorted(classes)[:_NAMED]) or 'none'}; "
            f"got {', '.join(map(repr, unknown[:_NAMED]))}: classes.json lists them all"
        )
    more = ", …" if len(asked) > _NAMED else ""
    named = ", ".join(map(repr, sorted(asked)[:_NAMED]))
    return Filter(f"labels=[{named}{more}] names", "labels", pa.array(asked, pa.string()))


def by_condition(out: str, where: str, rows: Manifest) -> Filter:
    """Return the filter for clips that fulfil a condition over the columns of ``files``.

    Raises:
        UsageError: The condition is no SQL, or empty.
        FileNotFoundError: The manifest changed since it was listed.
        DatasetDamaged: The manifest cannot be read.
    """
    from shardmill.report import store  # brings DuckDB, which only this question needs

    if not isinstance(where, str) or not where.strip():
        raise UsageError(
            f"where must be a condition in SQL, such as 'fps >= 24', got {where!r}: leave it out "
            "for all clips"
        )
    # `query` takes any SQL: a condition that closes the bracket can ask no more than it could.
    question = f"select clip_id from file_clips where clip_id is not null and ({where}\n)"  # noqa: S608
    source = store.Rows(rows.columns, rows.shards, is_plain=rows.is_plain)
    with store.query(out, question, rows=source) as found:
        values = pa.array([clip_id for (clip_id,) in found.rows], pa.string())
    return Filter(f"where={where!r} is true of", "clip_id", values)
