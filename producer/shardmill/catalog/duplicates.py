"""Exact duplicates: of several files with the same bytes one is kept, the others are left out.

Only files of equal size can be equal, so no others are read.  The first by path is kept, but
before it one that has good rows already: the same command again then changes nothing.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from stat import S_ISREG
from typing import Final

import pyarrow as pa

from shardmill.catalog.catalog import CHUNK_ROWS, Catalog, sql
from shardmill.contract.errors import ItemError
from shardmill.contract.location.archive import Extent, contents, extent_of
from shardmill.contract.location.confinement import open_input
from shardmill.contract.location.image_sequence import ImageSequence, pictures_at, sequence_of
from shardmill.contract.location.roots import Roots
from shardmill.contract.quantity import printable
from shardmill.inputs.scan import Found

THREADS: Final = 4
"""Reading waits for the disk, and hashing lets go of the interpreter."""
AHEAD: Final = 256
"""Files handed to the threads at a time."""
TELL_EVERY_S: Final = 10.0

Note = Callable[[str], None]


def skip_duplicates(catalog: Catalog, roots: Roots, note: Note) -> None:
    """Skip all but one of the inputs with the same bytes.

    A file that cannot be read, or changes meanwhile, is kept: probing finds out what is wrong.

    Args:
        catalog: Inputs, compared with what is done.
        roots: The input directories.
        note: Receives how it goes, and whether duplicates contradict each other.
    """
    candidates = catalog.of_equal_size_count()
    with closing(_digests(roots, catalog.of_equal_size())) as digests:
        found = _telling(digests, candidates, note)
        while chunk := list(islice(found, CHUNK_ROWS)):
            paths, contents = zip(*chunk, strict=True)
            names = pa.array(map(os.fsencode, paths), pa.binary())
            catalog.insert("digest", pa.table({"path": names, "content": pa.array(contents)}))
    duplicates: pa.Table = catalog.db.sql(sql("duplicates")).to_arrow_table()
    if not duplicates.num_rows:
        return
    paths, kept, labels, kept_labels = (column.to_pylist() for column in duplicates.columns)
    reasons = [printable(f"duplicate of {os.fsdecode(path)}") for path in kept]
    catalog.skip(pa.table({"path": duplicates["path"], "reason": reasons}))
    note(f"{len(paths):,} inputs are duplicates of others and left out")
    differing = [row for row in range(len(paths)) if labels[row] != kept_labels[row]]
    if differing:
        first = differing[0]
        path, other = os.fsdecode(paths[first]), os.fsdecode(kept[first])
        note(
            f"{len(differing):,} of them have another label than the file that is kept: "
            f"{path} is {labels[first]}, {other} is {kept_labels[first]}"
        )


def _telling(
    digests: Iterable[tuple[str, bytes | None]], count: int, note: Note
) -> Iterator[tuple[str, bytes]]:
    """Yield the digests that there are, and tell from time to time how many files are behind."""
    told_s = time.monotonic()
    for number, (path, digest) in enumerate(digests, start=1):
        if digest is not None:
            yield path, digest
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            note(f"looking for duplicates: {number:,} of {count:,} files of equal size are read")


def _digests(
    roots: Roots, candidates: Iterator[Found]
) -> Generator[tuple[str, bytes | None], None, None]:
    """Yield path and content hash, None for a file that cannot be trusted; in the given order."""
    ended = threading.Event()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="duplicates")
    try:
        while some := list(islice(candidates, AHEAD)):
            paths = (found.path for found in some)
            yield from zip(
                paths, pool.map(lambda f: _digest(roots.place(f.file), f, ended), some), strict=True
            )
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)


def _digest(place: str, found: Found, ended: threading.Event) -> bytes | None:
    if found.sequence is not None:
        return _digest_of_sequence(place, found.sequence, ended)
    digest = hashlib.blake2b(digest_size=32)
    try:
        descriptor = open_input(place)
        with open(descriptor, "rb", buffering=0):
            if not S_ISREG(os.fstat(descriptor).st_mode):
                return None
            for piece in _pieces(descriptor, found):
                if ended.is_set():
                    return None
                digest.update(piece)
            status = os.fstat(descriptor)
    except (OSError, ItemError):
        return None
    size_bytes = found.size_bytes if found.member is None else status.st_size
    unchanged = (status.st_size, status.st_mtime_ns) == (size_bytes, found.mtime_ns)
    return digest.digest() if unchanged else None


def _digest_of_sequence(
    place: str, sequence: ImageSequence, ended: threading.Event
) -> bytes | None:
    """Return the hash of the pictures' hashes, in their order; None if one has none."""
    whole = hashlib.blake2b(digest_size=32)
    try:
        pictures = pictures_at(place)
    except OSError:
        return None
    if sequence_of(pictures, sequence.pictures_hz) != sequence:
        return None
    for picture in pictures:
        file = Found(picture.name, picture.size_bytes, picture.mtime_ns)
        part = _digest(os.path.join(os.path.dirname(place), picture.name), file, ended)
        if part is None:
            return None
        whole.update(part)
    return whole.digest()


def _pieces(descriptor: int, found: Found) -> Iterator[bytes]:
    """Yield a file's bytes, wherever they lie."""
    pread = partial(os.pread, descriptor)
    if found.member is None:
        return contents(pread, Extent(0, found.size_bytes, found.size_bytes))
    archive_bytes = os.fstat(descriptor).st_size
    return contents(pread, extent_of(pread, archive_bytes, found.member, found.size_bytes))
