"""``OUT/files.parquet``: the manifest as one table of one row a file, ordered by path.

The parts of a job that only probes follow each other in the order of paths, so they are copied one
after the other, in little memory.  Those of other jobs are sorted by DuckDB.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shardmill.dataset import manifest
from shardmill.dataset.checksum import OPEN, SEAL, seal_file
from shardmill.dataset.layout import Layout
from shardmill.report import store
from shardmill.storage import files

_ROWS_AT_ONCE: Final = 16_384


def write_files(layout: Layout) -> None:
    """Write ``files.parquet``, whole or not at all.

    Raises:
        EnvironmentFault: The disk is full or may not be written.
        DatasetDamaged: The manifest cannot be read.
    """
    files.make_directory(layout.tmp)  # of OUT that is gone nothing is made anew
    partial = os.path.join(layout.tmp, f"files-{uuid4().hex}.parquet")
    try:
        parts = parts_in_order(layout.parts())
        if parts is None:
            _write_sorted(layout, partial)
        else:
            _write_one_by_one(layout, parts, partial)
        seal_file(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        files.replace(partial, layout.files)
        files.sync_directory(layout.out)
    finally:
        files.remove(partial)


def parts_in_order(parts: Sequence[str]) -> list[str] | None:
    """Return manifest parts in the order of their paths; None if their rows mix, or need grouping.

    Raises:
        DatasetDamaged: One of them cannot be read.
    """
    found: list[tuple[str, str, str]] = []
    for part in parts:
        rows = manifest.read_columns(part, ["path", "segments"])
        paths = rows["path"].combine_chunks()
        if not len(paths):
            continue
        is_plain = pc.all(pc.equal(rows["segments"], 1)).as_py()
        if not is_plain or not pc.all(pc.less(paths[:-1], paths[1:])).as_py():
            return None
        found.append((paths[0].as_py(), paths[-1].as_py(), part))
    found.sort()
    follow = all(before[1] < after[0] for before, after in pairwise(found))
    return [part for _, _, part in found] if follow else None


def _write_one_by_one(layout: Layout, parts: Sequence[str], partial: str) -> None:
    schema = manifest.OF_FILES
    with (
        closing(store.open_files(layout.out, [])) as con,
        pq.ParquetWriter(partial, schema, compression="zstd") as writer,
    ):
        for rows in _chunks(parts):
            con.register("manifest_parts", rows)
            writer.write_table(
                con.sql("from files").to_arrow_table().select(schema.names).cast(schema)
            )
        writer.add_key_value_metadata({SEAL: OPEN})


def _chunks(parts: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of some parts, many at a time."""
    held: list[pa.Table] = []
    for part in parts:
        rows = manifest.read_columns(part, manifest.SCHEMA.names)
        held.append(rows.append_column("part", pa.repeat(os.path.basename(part), len(rows))))
        if sum(map(len, held)) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _write_sorted(layout: Layout, partial: str) -> None:
    target = partial.replace("'", "''")
    with closing(store.open_files(layout.out)) as con:
        store.ask(
            con,
            f"copy (from files order by path, path_raw) to '{target}' "
            f"(format parquet, compression zstd, kv_metadata {{{SEAL}: '{OPEN}'}})",
        )
