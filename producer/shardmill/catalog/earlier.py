"""What an earlier run has found: the rows of a manifest part, as the catalog compares them."""

import os
from collections.abc import Collection
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from shardmill.contract.location.archive import archive_of
from shardmill.contract.spec import Spec
from shardmill.dataset.manifest import path_bytes, read_columns

_AS_THEY_ARE: Final = [
    *("split", "segment", "segments", "archive_offset", "packed_bytes", "obstacle"),
    *("pictures", "pictures_hz", "pictures_digest"),
]
_LOOKED_AT: Final = [
    *("path", "path_raw", "size_bytes", "mtime_ns", "status", "error_class", "shard", "archive"),
    *("start_ns", "end_ns", "labels", "extra", "clip_start_ns", "clip_end_ns"),
]


def rows_of(part: str, spec: Spec, *, again: Collection[str] | None) -> pa.Table:
    """Return of each row of a part what the catalog holds of it, the columns of ``earlier``.

    Args:
        part: Path of the part.
        spec: Says whether annotations are about inputs, and name their splits.
        again: Classes of the failed rows to be tried again; None means all.

    Raises:
        DatasetDamaged: The part cannot be read.
    """
    table = read_columns(part, [*_AS_THEY_ARE, *_LOOKED_AT])
    paths = path_bytes(table)
    failed = pc.equal(table["status"], "failed")
    if again is not None:
        error_class = pc.fill_null(table["error_class"], "internal")
        failed = pc.and_(failed, pc.is_in(error_class, pa.array(sorted(again), pa.string())))
    columns = {
        "path": paths,
        "size": table["size_bytes"],
        "mtime": table["mtime_ns"],
        "again": failed,
        "has_clip": pc.is_valid(table["shard"]),
        "archive": _archives(paths, table["archive"]),
    }
    columns |= {name: table[name] for name in _AS_THEY_ARE}
    return pa.table(columns | _annotations(table, spec))


def _annotations(table: pa.Table, spec: Spec) -> dict[str, pa.ChunkedArray]:
    """Return which annotation of its file each row is about, from 0, and what it said.

    A whole file that was cut has several rows of one annotation.  Without an annotation all is
    null.
    """
    count = table.num_rows
    is_cut = pc.or_(pc.is_valid(table["start_ns"]), pc.is_valid(table["end_ns"]))
    if spec.clip_s is not None:
        is_cut = pa.array([True] * count)
    place = pc.if_else(is_cut, 0, table["segment"])
    if not spec.is_annotated:
        empty = {
            "places": pa.int64(),
            "labels": pa.list_(pa.string()),
            "extra": pa.string(),
            "clip_start_ns": pa.int64(),
            "clip_end_ns": pa.int64(),
            "said_split": pa.string(),
        }
        return {"place": place} | {name: pa.nulls(count, kind) for name, kind in empty.items()}
    no_time = pa.nulls(count, pa.int64())
    cuts_whole = spec.clip_s is not None
    return {
        "place": place,
        "places": pc.if_else(is_cut, 1, table["segments"]),
        "labels": table["labels"],
        "extra": table["extra"],
        "clip_start_ns": no_time if cuts_whole else table["clip_start_ns"],
        "clip_end_ns": no_time if cuts_whole else table["clip_end_ns"],
        "said_split": pa.nulls(count, pa.string()) if spec.split is not None else table["split"],
    }


def _archives(paths: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
    """Return the paths of archives as bytes: the manifest has them as printable text."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), pa.binary())
    pairs = zip(paths.to_pylist(), texts.to_pylist(), strict=True)
    return pa.array(
        [
            None if text is None else os.fsencode(archive_of(os.fsdecode(path), text))
            for path, text in pairs
        ],
        pa.binary(),
    )
