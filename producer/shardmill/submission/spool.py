"""The list of inputs on disk, compared with what an output directory holds already.

A million paths do not belong in memory: they lie in a temporary SQLite file, which also sorts
them.  What is left to do is a question in SQL.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.resources import files

import pyarrow.parquet as pq

from shardmill.contract.labels import label_of
from shardmill.contract.layout import Layout
from shardmill.submission.scan import Found


class Spool:
    """Inputs and manifest rows side by side, in a file that the caller removes."""

    def __init__(self, path: str, *, seed: int) -> None:
        self._seed = seed.to_bytes(8, "little")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("pragma journal_mode = off; pragma synchronous = off;")
        self._db.executescript(
            files("shardmill.submission").joinpath("spool.sql").read_text("utf-8")
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, found: Iterable[Found]) -> int:
        """Take in the inputs; return how many there are."""
        self._db.execute("begin")
        self._db.executemany(
            "insert into input values (?, ?, ?, ?)",
            ((_blob(f.path), f.size_bytes, f.mtime_ns, self._rank(f.path)) for f in found),
        )
        self._db.execute("commit")
        return self._count("select count(*) from input")

    def _rank(self, path: str) -> int:
        digest = hashlib.blake2b(_blob(path), digest_size=8, key=self._seed).digest()
        return int.from_bytes(digest, "little", signed=True)

    def _count(self, query: str) -> int:
        count: int = self._db.execute(query).fetchone()[0]
        return count

    def add_manifest(self, layout: Layout) -> None:
        """Take in the rows of an output directory."""
        columns = ["path", "path_raw", "size_bytes", "mtime_ns", "status"]
        for part in layout.parts():
            table = pq.read_table(part, columns=columns)
            rows = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
            self._db.executemany(
                "insert into row values (?, ?, ?, ?, ?)",
                ((part, raw or path.encode(), *rest) for path, raw, *rest in rows),
            )

    def labels(self) -> list[str]:
        """Return the labels of all inputs, sorted."""
        paths = self._db.execute("select path from input")
        return sorted({label for (p,) in paths if (label := label_of(os.fsdecode(p)))})

    def changed_parts(self) -> list[str]:
        """Return the parts with an ``ok`` row whose file has changed or is gone."""
        query = "select distinct part from stale where status = 'ok' order by part"
        return [part for (part,) in self._db.execute(query)]

    def stale_rows(self) -> dict[str, set[bytes]]:
        """Return, by part, the paths whose row does not count any more."""
        stale: dict[str, set[bytes]] = {}
        for part, path in self._db.execute("select part, path from stale"):
            stale.setdefault(part, set()).add(path)
        return stale

    def forget(self, part: str) -> None:
        """Leave out all rows of a part that no longer exists."""
        self._db.execute("delete from row where part = ?", (part,))

    def todo(self, *, shuffled: bool) -> Iterator[Found]:
        """Yield the inputs without a good row: in the seed's order, or by path."""
        query = "select path, size, mtime from todo order by "
        query += "rank, path" if shuffled else "path"
        for path, size, mtime in self._db.execute(query):
            yield Found(os.fsdecode(path), size, mtime)

    def todo_count(self) -> int:
        """Return how many inputs have no good row."""
        return self._count("select count(*) from todo")


def _blob(path: str) -> bytes:
    return os.fsencode(path)
