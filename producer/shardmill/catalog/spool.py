"""The list of inputs on disk, compared with what an output directory holds already.

A million paths do not belong in memory: they lie in a temporary SQLite file, which also sorts
them.  What is left to do is a question in SQL.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.resources import files
from itertools import starmap
from typing import Final, NamedTuple

from msgspec.structs import asdict

from shardmill.catalog.skipped_inputs import LeftOut
from shardmill.catalog.split_assigner import Dealer, place_in_order
from shardmill.contract.location.archive import Member
from shardmill.contract.location.image_sequence import ImageSequence
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import LabelOf, label_of, no_label
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.inputs.scan import Found, found_at, source_of
from shardmill.inputs.sequences import sequence_at

_INPUT: Final = "path, size, mtime, member, sequence"
_SOURCE: Final = "path, sequence is not null from input"
_BARE: Final = "from input where path not in (select path from said)"
_OF_EQUAL_SIZE: Final = (
    "from input where size > 0 "
    "and size in (select size from input group by size having count(*) > 1)"
)


class Said(NamedTuple):
    """What an annotation says of an input."""

    path: str
    segment: int
    """Which of the input's annotations, from 0."""
    split: str | None
    text: str
    """See ``said``."""


class Todo(NamedTuple):
    """What is to be done: an input, or one of its annotations."""

    found: Found
    split: str | None
    segment: int
    said: str | None
    """What the annotation says; None without one."""


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
        """Take in inputs; of a path in an archive the last counts, as when it is unpacked."""
        self._db.execute("begin")
        self._db.executemany(
            "insert into input (path, size, mtime, member, sequence, rank, unknown) "
            "values (?, ?, ?, ?, ?, ?, ?) "
            "on conflict (path) do update set size = excluded.size, mtime = excluded.mtime, "
            "member = excluded.member where excluded.member is not null",
            map(self._values, found),
        )
        self._db.execute("commit")

    def _values(self, found: Found) -> tuple[object, ...]:
        member = None if found.member is None else found.member.encode()
        sequence = None if found.sequence is None else found.sequence.encode()
        path = _blob(found.path)
        values = path, found.size_bytes, found.mtime_ns, member, sequence
        return *values, self._rank(path), found.is_unknown

    def count(self) -> int:
        """Return how many inputs there are, those left out among them."""
        return self._count("select count(*) from input") + self.left_out_count()

    def _rank(self, path: bytes) -> int:
        digest = hashlib.blake2b(path, digest_size=8, key=self._seed).digest()
        return int.from_bytes(digest, "little", signed=True)

    def _count(self, query: str) -> int:
        count: int = self._db.execute(query).fetchone()[0]
        return count

    def add_manifest(
        self,
        layout: Layout,
        spec: Spec,
        *,
        again: Collection[str] | None = None,
        broken: Collection[str] = (),
    ) -> None:
        """Take in the rows of an output directory.

        Args:
            layout: The output directory.
            spec: Says whether annotations tell of inputs, and of their splits.
            broken: Parts that are left out.
            again: Classes of the failed rows to be tried again; None means all, and that what is
                to be left out is decided anew.

        Raises:
            DatasetDamaged: A manifest part cannot be read.
        """
        without = {*broken, *(layout.left_out_parts() if again is None else ())}
        parts = [part for part in layout.parts() if part not in without]
        if not parts:
            return
        from shardmill.catalog import earlier  # which brings Arrow

        self._db.execute("begin")
        for number, part in enumerate(parts):
            self._db.execute("insert into part values (?, ?)", (number, part))
            self._db.executemany(
                "insert into row (part, path, size, mtime, again, has_clip, split, segment, "
                "segments, place, said, member, sequence) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((number, *row) for row in earlier.rows_of(part, spec, again=again)),
            )
        self._db.execute("commit")

    def add_rows_as_inputs(self, roots: Roots) -> None:
        """Take the files that have rows for the inputs, instead of looking into the directory.

        Those to be tried again are as they are now; one that is gone has size 0, as in a scan.
        What annotations said, and where in archives files lie, is taken from the rows too.
        """
        self._db.execute(
            "insert or ignore into said (path, segment, split, content) "
            "select path, place, split, said from row where said is not null"
        )
        self._db.execute(
            f"insert or ignore into input ({_INPUT}, rank) select {_INPUT}, 0 from row "  # noqa: S608
            "where not again"
        )
        again = self._db.execute(f"select {_INPUT} from row where again")  # noqa: S608
        tried = {path: found for path, *found in again}
        self._db.executemany("delete from input where path = ?", ((path,) for path in tried))
        self.add(_as_it_is_now(_found(path, *found), roots) for path, found in tried.items())

    def compare(self) -> int:
        """Hold the rows against the inputs, once all are here.

        Returns:
            How many files with rows could not be looked at; they count as unchanged.
        """
        kept = 0
        if self._count("select count(*) from input where unknown"):
            self._db.executescript(_sql("spool_unknown"))
            kept = self._count("select count(distinct path) from kept")
        self._db.executescript(_sql("spool_compare"))
        return kept

    def row_count(self) -> int:
        """Return how many rows there are."""
        return self._count("select count(*) from row")

    def gone_count(self) -> int:
        """Return how many of them are about files that are no inputs any more."""
        return self._count("select count(*) from row where path not in (select path from input)")

    def of_equal_size(self) -> Iterator[Found]:
        """Yield the inputs that have the size of another one, by path."""
        yield from starmap(_found, self._db.execute(f"select {_INPUT} {_OF_EQUAL_SIZE}"))

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
        for *found, kept in self._db.execute(_sql("spool_duplicates")):
            yield _found(*found), os.fsdecode(kept)

    def leave_out(self, left_out: Iterable[LeftOut]) -> None:
        """Take inputs, or what should have been one, from what is to do.

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
        self._db.execute(
            "insert or ignore into stale_row select path, own from row "
            "where path in (select path from left_out)"
        )
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

    def sources(self) -> Iterator[tuple[str, str]]:
        """Yield path and source (see ``Found.source``) of the inputs, by path."""
        yield from starmap(_with_source, self._db.execute(f"select {_SOURCE} order by path"))

    def add_said(self, annotations: Iterable[Said]) -> None:
        """Take in what annotations say of inputs."""
        self._db.execute("begin")
        self._db.executemany(
            "insert into said (path, segment, split, content) values (?, ?, ?, ?)",
            ((_blob(each.path), *each[1:]) for each in annotations),
        )
        self._db.execute("commit")

    def first_said(self, path: str) -> str | None:
        """Return what the first annotation of an input says; None without one."""
        query = "select content from said where path = ? and segment = 0"
        found = self._db.execute(query, (_blob(path),)).fetchone()
        return found[0] if found else None

    def bare(self) -> Iterator[Found]:
        """Yield the inputs of which no annotation says anything, by path."""
        yield from starmap(_found, self._db.execute(f"select {_INPUT} {_BARE} order by path"))

    def bare_count(self) -> int:
        """Return how many they are."""
        return self._count(f"select count(*) {_BARE}")

    def labels(self, rule: LabelOf, *, by_source: bool) -> Iterable[str]:
        """Return the labels that a rule gives the inputs, from their sources or their paths."""
        if rule is no_label:
            return ()
        if rule is not label_of:
            return filter(None, (rule(each[by_source]) for each in self.sources()))
        slash = "instr(path, x'2f')"
        folders = self._db.execute(
            f"select distinct substr(path, 1, {slash}) from input "  # noqa: S608
            f"where {slash} > 0 and (sequence is null or instr(substr(path, {slash} + 1), x'2f'))"
        )
        return sorted({label for (p,) in folders if (label := label_of(os.fsdecode(p)))})

    def changed_parts(self) -> list[str]:
        """Return the parts with a clip whose file has changed or is gone."""
        query = "select distinct file from stale where has_clip order by file"
        return [part for (part,) in self._db.execute(query)]

    def stale_rows(self) -> dict[str, set[tuple[bytes, int]]]:
        """Return, by part, path and segment of the rows that do not count any more."""
        stale: dict[str, set[tuple[bytes, int]]] = {}
        for part, *row in self._db.execute("select file, path, segment from stale"):
            stale.setdefault(part, set()).add(tuple(row))
        return stale

    def forget(self, part: str) -> None:
        """Leave out all rows of a part that no longer exists; their inputs are to be done."""
        ((number,),) = self._db.execute("select id from part where file = ?", (part,)).fetchall()
        self._db.execute("insert into gone values (?)", (number,))
        self._db.executescript(_sql("spool_forget"))

    def deal(self, dealer: Dealer, members: Callable[[str, str], tuple[bytes, str | None]]) -> None:
        """Decide to which split each input goes; what has rows with a split keeps it.

        Args:
            dealer: Decides.
            members: Returns the group and the class of an input, from its path and its source.
        """
        inputs = self._db.execute(f"select {_SOURCE}")
        self._db.execute("begin")
        self._db.executemany(
            "insert into member values (?, ?, ?, ?)",
            (
                (path, *_placed(*members(*_with_source(path, is_sequence))))
                for path, is_sequence in inputs
            ),
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

    def todo(self, *, shuffled: bool) -> Iterator[Todo]:
        """Yield what has no good row, in the seed's order, or by path; a split comes together."""
        query = _sql("spool_todo") + (" rank, path, segment" if shuffled else " path, segment")
        for path, size, mtime, member, sequence, *rest in self._db.execute(query):
            yield Todo(_found(path, size, mtime, member, sequence), *rest)

    def todo_count(self) -> int:
        """Return how many there are."""
        return self._count(f"select count(*) from ({_sql('spool_todo')} path)")  # noqa: S608

    def done_count(self) -> int:
        """Return how many inputs have good rows."""
        return self._count("select count(*) from input where done")


def _sql(name: str) -> str:
    return files("shardmill.catalog").joinpath(f"{name}.sql").read_text("utf-8")


def _blob(path: str) -> bytes:
    return os.fsencode(path)


def _found(path: bytes, size: int, mtime: int, member: str | None, sequence: str | None) -> Found:
    where = None if member is None else Member.decode(member)
    what = None if sequence is None else ImageSequence.decode(sequence)
    return Found(os.fsdecode(path), size, mtime, where, what)


def _as_it_is_now(found: Found, roots: Roots) -> Found:
    """Return an input as it is now; what lies in an archive as it was."""
    if found.member is not None:
        return found
    base = roots.base_of(found.path)
    if found.sequence is not None:
        return sequence_at(base, found.path, found.sequence.pictures_hz)
    return found_at(base, found.path)


def _with_source(path: bytes, is_sequence: int) -> tuple[str, str]:
    text = os.fsdecode(path)
    return text, source_of(text, is_sequence=bool(is_sequence))


def _placed(group: bytes, label: str | None) -> tuple[bytes, int, str | None]:
    return group, place_in_order(group), label
