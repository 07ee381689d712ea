"""The list of inputs on disk, compared with what an output directory holds already.

A million paths do not belong in memory: they lie in a temporary SQLite file, which also sorts
them.  What is left to do is a question in SQL.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from importlib.resources import files
from itertools import repeat
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shardmill.contract.labels import label_of
from shardmill.contract.layout import Layout
from shardmill.contract.manifest import Item, read_columns
from shardmill.contract.roots import Roots
from shardmill.submission.dealing import Dealer, place_in_order
from shardmill.submission.left_out import LeftOut
from shardmill.submission.scan import Found, found_at

_COLUMNS: Final = [
    *("path", "path_raw", "size_bytes", "mtime_ns"),
    *("status", "error_class", "shard", "split", "segments"),
]
_OF_EQUAL_SIZE: Final = (
    "from input where size > 0 "
    "and size in (select size from input group by size having count(*) > 1)"
)


class Spool:
    """Inputs and manifest rows side by side, in a file that the caller removes."""

    def __init__(self, path: str, *, seed: int) -> None:
        self._seed = seed.to_bytes(8, "little")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("pragma journal_mode = off; pragma synchronous = off;")
        self._db.executescript(_sql("spool"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, found: Iterable[Found]) -> None:
        """Take in inputs; one that is here already stays as it is."""
        self._db.execute("begin")
        self._db.executemany(
            "insert or ignore into input (path, size, mtime, rank) values (?, ?, ?, ?)",
            ((_blob(f.path), f.size_bytes, f.mtime_ns, self._rank(f.path)) for f in found),
        )
        self._db.execute("commit")

    def count(self) -> int:
        """Return how many inputs there are, those left out among them."""
        return self._count("select count(*) from input") + self.left_out_count()

    def _rank(self, path: str) -> int:
        digest = hashlib.blake2b(_blob(path), digest_size=8, key=self._seed).digest()
        return int.from_bytes(digest, "little", signed=True)

    def _count(self, query: str) -> int:
        count: int = self._db.execute(query).fetchone()[0]
        return count

    def add_manifest(self, layout: Layout, *, again: Collection[str] | None = None) -> None:
        """Take in the rows of an output directory.

        Args:
            layout: The output directory.
            again: Classes of the failed rows to be tried again; None means all, and that what is
                to be left out is decided anew.

        Raises:
            DatasetDamaged: A manifest part cannot be read.
        """
        decided_anew = set(layout.left_out_parts() if again is None else ())
        self._db.execute("begin")
        for number, part in enumerate(layout.parts()):
            if part in decided_anew:
                continue
            self._db.execute("insert into part values (?, ?)", (number, part))
            self._db.executemany(
                "insert into row values (?, ?, ?, ?, ?, ?, ?, ?)",
                zip(repeat(number), *_columns(part, again)),
            )
        self._db.execute("commit")

    def add_rows_as_inputs(self, roots: Roots) -> None:
        """Take the files that have rows for the inputs, instead of looking into the directory.

        Those to be tried again are as they are now; one that is gone has size 0, as in a scan.
        """
        self._db.execute(
            "insert or ignore into input (path, size, mtime, rank) "
            "select path, size, mtime, 0 from row where not again"
        )
        again = self._db.execute("select distinct path from row where again").fetchall()
        self._db.executemany("delete from input where path = ?", again)
        paths = (os.fsdecode(path) for (path,) in again)
        self.add(found_at(roots.base_of(path), path) for path in paths)

    def compare(self) -> None:
        """Hold the rows against the inputs, once all are here."""
        self._db.executescript(_sql("spool_compare"))

    def of_equal_size(self) -> Iterator[Found]:
        """Yield the inputs that have the size of another one, by path."""
        for path, size, mtime in self._db.execute(f"select path, size, mtime {_OF_EQUAL_SIZE}"):
            yield Found(os.fsdecode(path), size, mtime)

    def count_of_equal_size(self) -> int:
        """Return how many they are."""
        return self._count(f"select count(*) {_OF_EQUAL_SIZE}")

    def add_digests(self, digests: Iterable[tuple[str, bytes]]) -> None:
        """Take in the hash of the content of some inputs; what is not here is equal to none."""
        self._db.execute("begin")
        self._db.executemany(
            "insert into digest values (?, ?)", ((_blob(path), each) for path, each in digests)
        )
        self._db.execute("commit")

    def duplicates(self) -> Iterator[tuple[Found, str]]:
        """Yield each input whose bytes another has too, and the path of the one to keep."""
        for path, size, mtime, kept in self._db.execute(_sql("spool_duplicates")):
            yield Found(os.fsdecode(path), size, mtime), os.fsdecode(kept)

    def leave_out(self, left_out: Iterable[LeftOut]) -> None:
        """Take inputs, or what should have been one, from what is to do, once all is compared.

        What was made of them before is stale.  They may come from a question to this very spool.
        """
        self._db.execute("begin")
        self._db.executemany(
            "insert or ignore into left_out values (?, ?, ?, ?)",
            (
                (_blob(item.path), item.segment, json.dumps(asdict(item)), reason)
                for item, reason in left_out
            ),
        )
        self._db.execute("insert or ignore into stale_path select path from left_out")
        self._db.execute("delete from input where path in (select path from left_out)")
        self._db.execute("commit")

    def left_out(self) -> Iterator[LeftOut]:
        """Yield the inputs that are left out, with the reason, by path."""
        query = "select item, reason from left_out order by path, segment"
        for item, reason in self._db.execute(query):
            yield Item(**json.loads(item)), reason

    def left_out_count(self) -> int:
        """Return how many inputs are left out."""
        return self._count("select count(distinct path) from left_out")

    def labels(self, rule: Callable[[str], str | None]) -> Iterable[str]:
        """Return the labels that a rule gives the inputs."""
        if rule is not label_of:
            paths = self._db.execute("select path from input")
            return filter(None, (rule(os.fsdecode(path)) for (path,) in paths))
        slash = "instr(path, x'2f')"
        folders = self._db.execute(
            f"select distinct substr(path, 1, {slash}) from input where {slash} > 0"  # noqa: S608
        )
        return sorted({label for (p,) in folders if (label := label_of(os.fsdecode(p)))})

    def changed_parts(self) -> list[str]:
        """Return the parts with a clip whose file has changed or is gone."""
        query = "select distinct file from stale where has_clip order by file"
        return [part for (part,) in self._db.execute(query)]

    def stale_rows(self) -> dict[str, set[bytes]]:
        """Return, by part, the paths whose row does not count any more."""
        stale: dict[str, set[bytes]] = {}
        for part, path in self._db.execute("select file, path from stale"):
            stale.setdefault(part, set()).add(path)
        return stale

    def forget(self, part: str) -> None:
        """Leave out all rows of a part that no longer exists; their inputs are to be done."""
        ((number,),) = self._db.execute("select id from part where file = ?", (part,)).fetchall()
        for query in (
            "insert or ignore into stale_path select path from row where part = ?",
            "update input set done = 0 where path in (select path from row where part = ?)",
        ):
            self._db.execute(query, (number,))
        self._db.execute("delete from row where part = ?", (number,))

    def deal(self, dealer: Dealer, members: Callable[[str], tuple[bytes, str | None]]) -> None:
        """Decide to which split each input goes; what has rows with a split keeps it.

        Args:
            dealer: Decides.
            members: Returns the group of a path, and its class.
        """
        paths = self._db.execute("select path from input")
        self._db.execute("begin")
        self._db.executemany(
            "insert into member values (?, ?, ?, ?)",
            ((path, *_placed(*members(os.fsdecode(path)))) for (path,) in paths),
        )
        self._db.executemany("insert into dealt values (?, ?)", self._dealt(dealer))
        self._db.execute("commit")

    def _dealt(self, dealer: Dealer) -> Iterator[tuple[bytes, str]]:
        """Yield each group and its split: first those that have one, for they count."""
        for group, split, label, sources in self._db.execute(_sql("spool_groups")):
            if split is not None:
                dealer.keep(label, sources=sources, split=split)
                yield group, split
        for group, split, label, sources in self._db.execute(_sql("spool_groups")):
            if split is None:
                yield group, dealer.deal(label, sources=sources)

    def todo(self, *, shuffled: bool) -> Iterator[tuple[Found, str | None]]:
        """Yield the inputs without a good row, and their split: in the seed's order, or by path.

        Those of a split come together.
        """
        query = (
            "select path, size, mtime, split from input "
            "left join member using (path) left join dealt using (grp) "
            "where not done order by split, "
        )
        query += "rank, path" if shuffled else "path"
        for path, size, mtime, split in self._db.execute(query):
            yield Found(os.fsdecode(path), size, mtime), split

    def todo_count(self) -> int:
        """Return how many inputs have no good row."""
        return self._count("select count(*) from input where not done")


def _sql(name: str) -> str:
    return files("shardmill.submission").joinpath(f"{name}.sql").read_text("utf-8")


def _blob(path: str) -> bytes:
    return os.fsencode(path)


def _columns(part: str, again: Collection[str] | None) -> tuple[list[Any], ...]:
    """Return what ``row`` holds of one part, column by column."""
    table = read_columns(part, _COLUMNS)
    paths = pc.coalesce(table["path_raw"], table["path"].cast(pa.binary()))
    failed = pc.equal(table["status"], "failed")
    if again is not None:
        error_class = pc.fill_null(table["error_class"], "internal")
        failed = pc.and_(failed, pc.is_in(error_class, pa.array(sorted(again), pa.string())))
    columns = (
        *(paths, table["size_bytes"], table["mtime_ns"], failed),
        *(pc.is_valid(table["shard"]), table["split"], table["segments"]),
    )
    return tuple(column.to_pylist() for column in columns)


def _placed(group: bytes, label: str | None) -> tuple[bytes, int, str | None]:
    return group, place_in_order(group), label
