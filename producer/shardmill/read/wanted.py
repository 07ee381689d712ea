"""Which clips of an output directory are wanted: by label, or by a question to the manifest."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shardmill.contract.classes import read_classes
from shardmill.contract.errors import UsageError
from shardmill.contract.layout import Layout


class Wanted:
    """What is asked of a clip; it must answer everything that is asked.

    Args:
        out: Output directory.
        labels: One of its classes is one of these; None means any, or none.
        where: This SQL condition is true of its input, over the columns of the manifest.

    Raises:
        UsageError: There is no such label, or the SQL is wrong.
        DatasetDamaged: The manifest cannot be read.
    """

    def __init__(self, out: str, *, labels: Collection[str] | None, where: str | None) -> None:
        self._values: dict[str, set[str]] = {}
        if labels is not None:
            self._values["labels"] = _known(out, labels)
        if where is not None:
            self._values["clip_id"] = _answers(out, where)

    @property
    def columns(self) -> list[str]:
        """The columns of the index that the answer needs."""
        return list(self._values)

    def among(self, clips: pa.Table) -> NDArray[np.bool_]:
        """Say of each clip if it is wanted.

        Args:
            clips: Some rows of an index, with ``columns``.

        Returns:
            Shape (N,).
        """
        chosen = np.ones(clips.num_rows, bool)
        for column, values in self._values.items():
            found = clips[column].to_pylist()
            if column == "labels":
                chosen &= [not values.isdisjoint(labels) for labels in found]
            else:
                chosen &= [value in values for value in found]
        return chosen


def _known(out: str, labels: Collection[str]) -> set[str]:
    try:
        classes = read_classes(Layout(out))
    except FileNotFoundError:
        classes = {}
    if unknown := sorted(set(labels) - set(classes)):
        raise UsageError(
            f"expected labels among {', '.join(sorted(classes)[:8]) or 'none'}; "
            f"got {', '.join(map(repr, unknown[:8]))}: classes.json lists them all"
        )
    return set(labels)


def _answers(out: str, where: str) -> set[str]:
    """Return the names of the clips whose row in the manifest fulfils a condition."""
    from shardmill.report import store  # brings DuckDB, which only this question needs

    # `query` takes any SQL: a condition that closes the bracket can ask no more than it could.
    question = f"select clip_id from files where status = 'ok' and ({where}\n)"  # noqa: S608
    with store.query(out, question) as found:
        return {clip_id for (clip_id,) in found.rows}
