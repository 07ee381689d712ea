"""Inputs that the producer leaves out: each ends as one row ``skipped``, with the reason.

Which they are may be another matter the next time: the file that was a duplicate may be the one
that is kept.  So every run that looks into its inputs writes these rows anew, in parts of their
own, and ``Layout.left_out_parts`` lists them apart from the workers'.
"""

from typing import Final

import pyarrow as pa

from shardmill.catalog.catalog import Catalog
from shardmill.catalog.work_order import Numbering
from shardmill.contract.schema import Facts, Outcome
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest_rows import ITEMS, Shared, manifest_table
from shardmill.dataset.manifest_store import ManifestStore
from shardmill.dataset.work_table import content_name

ROWS_IN_A_PART: Final = 4096
_NO_FACTS: Final = Facts()


def write_anew(layout: Layout, catalog: Catalog, numbering: Numbering) -> None:
    """Commit a row for each input that is left out; rows of earlier runs go.

    Args:
        layout: The output directory; nobody else works on it.
        catalog: Has them.
        numbering: Gives their labels their numbers.
    """
    before = set(layout.left_out_parts())
    store = ManifestStore(layout)
    rows = catalog.skipped().read_all()
    for first in range(0, rows.num_rows, ROWS_IN_A_PART):
        chunk = rows.slice(first, ROWS_IN_A_PART).combine_chunks()
        part = layout.left_out_part(content_name(chunk))
        store.replace(part, _manifest_rows(numbering.apply(chunk)))
        before.discard(part)
    for part in before:
        store.remove(part)
    if rows.num_rows or before:
        store.sync()


def _manifest_rows(chunk: pa.Table) -> pa.Table:
    reasons = {
        reason: Outcome(status="skipped", error_message=reason, attempts=0)
        for reason in set(chunk["reason"].to_pylist())
    }
    items = chunk.select([name for name in chunk.column_names if name in ITEMS.names])
    return manifest_table(
        items,
        Shared([_NO_FACTS] * len(chunk)),
        Shared(reasons[reason] for reason in chunk["reason"].to_pylist()),
    )
