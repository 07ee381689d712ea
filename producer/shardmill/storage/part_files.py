"""Many files of one schema as one table that DuckDB scans anew for each query."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from shardmill.storage.files import refuse_link

_LEAST_ROWS: Final = 2048
"""Of a batch: as many as DuckDB looks at together."""
_LEAST_BYTES: Final = 1 << 23
"""Of a batch of fewer rows: clips may have any number of frames."""


class PartFiles(ds.FileSystemDataset):  # type: ignore[misc]  # pyarrow has no types
    """Part files as one table that DuckDB scans anew for each query."""

    def __init__(self, paths: Iterable[str], form: ds.FileFormat, schema: pa.Schema) -> None:
        self._paths = list(paths)
        for path in self._paths:
            refuse_link(path)
        super().__init__([], schema.append(pa.field("part", pa.string())), form, LocalFileSystem())

    def scanner(self, **options: Any) -> "_Scan":
        """Return a scan that forgets each file behind it, and yields batches of many rows.

        Arrow would keep what it learnt of every Parquet file: 0.1 MB a part, measured.  It forgets
        it on the fragment, so each scan has fragments of its own: a query that scans the table
        several times at once would crash.  DuckDB sets aside as much for a batch of two rows as
        for one of two thousand: 0.1 MB again.

        A scan reads in the thread that asks.  With threads of Arrow's own, which are as many as
        cores, several scans at once would wait for each other for ever.
        """
        name, disk = ds.field("part"), self.filesystem
        fragments = [
            self.format.make_fragment(
                path, disk, partition_expression=name == os.path.basename(path)
            )
            for path in self._paths
        ]
        table = ds.FileSystemDataset(fragments, self.schema, self.format, disk)
        return _Scan(table.scanner(cache_metadata=False, **(options | {"use_threads": False})))


class _Scan:
    """What DuckDB asks of a scanner, with small batches joined."""

    def __init__(self, scanner: ds.Scanner) -> None:
        self._scanner = scanner
        self.projected_schema = scanner.projected_schema

    def to_reader(self) -> pa.RecordBatchReader:
        """Return a reader of the rows."""
        reader = self._scanner.to_reader()
        return pa.RecordBatchReader.from_batches(reader.schema, _joined(reader))


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches of at least ``_LEAST_ROWS`` rows or ``_LEAST_BYTES``, but for the last one."""
    group: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size_bytes += batch.nbytes
        if rows >= _LEAST_ROWS or size_bytes >= _LEAST_BYTES:
            yield pa.concat_batches(group)
            group, rows, size_bytes = [], 0, 0
    if group:
        yield pa.concat_batches(group)
