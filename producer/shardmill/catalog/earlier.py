"""What an earlier run has found: the rows of a manifest part, as the spool compares them.

Apart from the spool for the sake of Arrow: a new job has no parts and need not wait for it.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import repeat
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shardmill.catalog import annotation_fingerprint
from shardmill.contract.location.archive import Member, archive_of
from shardmill.contract.location.image_sequence import ImageSequence
from shardmill.contract.spec import Spec
from shardmill.dataset.manifest import read_columns

_COLUMNS: Final = [
    *("path", "path_raw", "size_bytes", "mtime_ns"),
    *("status", "error_class", "shard", "split", "segment", "segments"),
]
_SEQUENCE: Final = ["pictures", "pictures_hz", "pictures_digest"]
_MEMBER: Final = ["archive", "archive_offset", "packed_bytes", "obstacle"]


def rows_of(
    part: str, spec: Spec, *, again: Collection[str] | None
) -> Iterator[tuple[object, ...]]:
    """Yield of each row of a part what the spool holds of it.

    Args:
        part: Path of the part.
        spec: Says whether annotations tell of inputs, and of their splits.
        again: Classes of the failed rows to be tried again; None means all.

    Yields:
        Path, size, time of change, whether to try again, whether it has a clip, split, segment,
        segments, which of its file's annotations it is about, what that said, where in an archive
        it lies, which image sequence it is.

    Raises:
        DatasetDamaged: The part cannot be read.
    """
    columns = *_columns(part, again), *_said(part, spec), _members(part), _sequences(part)
    return zip(*columns, strict=False)  # of what no row has there is no end


def _columns(part: str, again: Collection[str] | None) -> tuple[list[Any], ...]:
    table = read_columns(part, _COLUMNS)
    failed = pc.equal(table["status"], "failed")
    if again is not None:
        error_class = pc.fill_null(table["error_class"], "internal")
        failed = pc.and_(failed, pc.is_in(error_class, pa.array(sorted(again), pa.string())))
    columns = (
        *(table["size_bytes"], table["mtime_ns"], failed),
        *(pc.is_valid(table["shard"]), table["split"], table["segment"], table["segments"]),
    )
    return _paths(table), *(column.to_pylist() for column in columns)


def _said(part: str, spec: Spec) -> tuple[Iterable[int], Iterable[str | None]]:
    """Return for each row of a part which annotation it is about, and what that said."""
    if not spec.is_annotated:
        return repeat(0), repeat(None)
    rows = list(
        annotation_fingerprint.of_rows(
            read_columns(part, annotation_fingerprint.COLUMNS).to_pylist(), spec
        )
    )
    return [place for place, _ in rows], [text for _, text in rows]


def _members(part: str) -> Iterable[str | None]:
    """Return where in an archive the file of each row lies."""
    table = read_columns(part, [*_MEMBER, "path", "path_raw"])
    if table["archive"].null_count == table.num_rows:
        return repeat(None)
    rows = zip(_paths(table), *(table[name].to_pylist() for name in _MEMBER), strict=True)
    return [
        None if told is None else Member(archive_of(os.fsdecode(path), told), *rest).encode()
        for path, told, *rest in rows
    ]


def _sequences(part: str) -> Iterable[str | None]:
    """Return which image sequence each row is about; None for a file."""
    table = read_columns(part, _SEQUENCE)
    if table["pictures"].null_count == table.num_rows:
        return repeat(None)
    rows = zip(*(table[name].to_pylist() for name in _SEQUENCE), strict=True)
    return [
        None if pictures is None else ImageSequence(pictures, *rest).encode()
        for pictures, *rest in rows
    ]


def _paths(table: pa.Table) -> list[bytes]:
    paths: list[bytes] = pc.coalesce(table["path_raw"], table["path"].cast(pa.binary())).to_pylist()
    return paths
