"""Annotations and inputs brought together, without either in memory.

Both lie in a temporary SQLite file, which joins them.  Whatever finds no partner is yielded too:
nothing is dropped in silence.
"""

import hashlib
import json
import os
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from importlib.resources import files
from typing import Final, Literal

from msgspec import Struct

from shardmill.annotations.annotation import Annotation, Faults, Json, Place, shown
from shardmill.contract.options.labels import check_class_count
from shardmill.contract.options.split import MAX_SPLITS
from shardmill.inputs.scan import MEDIA_SUFFIXES, source_of, suffix
from shardmill.inputs.text_file import StrayByte, utf8

CACHE: Final = "pragma cache_size = -16000"
"""16 MB of the file in memory at most."""
COMPACT: Final = json.JSONEncoder(separators=(",", ":"))
SORTED: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
NAMED: Final = 3
"""Files that an ambiguity names."""


class Counts(Struct, frozen=True):
    """What came together.  ``annotations = matched + missing``, ``inputs = annotated + bare``."""

    annotations: int
    """Annotations, duplicates not counted."""
    matched: int
    """Those whose file is there."""
    missing: int
    """Those whose file is not there, or could be several."""
    folded: int
    """Those of the matched whose file's name is not equal as bytes: see ``Matched.is_folded``."""
    stripped: int
    """Those of the folded whose path has blanks at its ends."""
    inputs: int
    """Inputs."""
    annotated: int
    """Those with an annotation."""
    bare: int
    """Those without."""


class Matched(Struct, frozen=True):
    """An annotation and the input that it is about."""

    path: str
    """The input, below the input directory."""
    annotation: Annotation
    is_folded: bool
    """The names are equal only as Unicode (NFC) and without the blanks at the annotation's ends."""


class Missing(Struct, frozen=True):
    """An annotation that belongs to no input."""

    annotation: Annotation
    reason: str
    """Why: no such file, or several."""


class Lost(Struct, frozen=True):
    """A file that annotations name and that is no input."""

    path: str
    """As they name it."""
    first: Missing
    """The first of them."""
    count: int
    """How many there are."""


class Matching(AbstractContextManager["Matching"]):
    """Brings annotations to inputs.  Add both, ``join``, then ask; each once, in this order.

    Args:
        path: A file to be made; the caller removes it.
        by: ``path``: the path below the input directory; ``stem``: the name without folder and
            suffix, wherever the file lies.
    """

    def __init__(self, path: str, *, by: Literal["path", "stem"]) -> None:
        self._source_key, self._input_key = KEYS[by]
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(f"pragma journal_mode = off; pragma synchronous = off; {CACHE};")
        self._script("matching.sql")
        self.labels: set[str] = set()
        """The labels of all annotations, those without a file among them."""

    def _script(self, name: str) -> None:
        text = files("shardmill.annotations").joinpath(name).read_text("utf-8")
        self._db.executescript(text)

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add_inputs(self, paths: Iterable[str]) -> None:
        """Take in inputs, by their path below the input directory; one given twice is one."""
        self._add_inputs((path, self._input_key(path)) for path in paths)

    def add_sequences(self, paths: Iterable[str]) -> None:
        """Take in image sequences by their paths; annotations name them by their folders."""
        self._add_inputs(
            (path, self._source_key(source_of(path, is_sequence=True))) for path in paths
        )

    def _add_inputs(self, inputs: Iterable[tuple[str, str]]) -> None:
        self._many(
            "insert or ignore into input (path, key, folded) values (?, ?, ?)",
            ((os.fsencode(path), os.fsencode(key), _folded(key)) for path, key in inputs),
        )

    def add(self, annotations: Iterable[Annotation]) -> None:
        """Take in annotations; the order in which they come is kept.

        Raises:
            UsageError: There are more labels than a job may have classes; or what yields the
                annotations raises it.
        """
        self._many(
            "insert into annotation (key, folded, is_padded, source, digest, split, content) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (self._row(annotation) for annotation in annotations),
        )

    def _row(self, annotation: Annotation) -> tuple[object, ...]:
        for label in annotation.labels:
            self.labels.add(label)
            check_class_count(len(self.labels), label)
        key, bare = os.fsencode(self._source_key(annotation.source)), annotation.source.strip()
        folded, is_padded = _folded(self._source_key(bare)), bare != annotation.source
        content = _encoded(annotation)
        said = SORTED.encode(content[1:6]).encode()
        digest = hashlib.blake2b(key + b"\0" + said, digest_size=16).digest()
        source = os.fsencode(_named(annotation.source))
        return key, folded, is_padded, source, digest, annotation.split, COMPACT.encode(content)

    def _many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("begin")
        self._db.executemany(query, rows)
        self._db.execute("commit")

    def join(self, faults: Faults) -> Counts:
        """Take out what is said twice, give every annotation its input, and every input one split.

        Args:
            faults: Takes the duplicates (same file, range, labels, split and other columns), and
                what puts a file into another split than it has.

        Raises:
            InvalidAnnotations: There is such an annotation and ``faults`` allows none.
        """
        self._db.execute("create index annotation_digest on annotation (digest, number)")
        for later, first in self._taken_out("duplicate"):
            faults.add(later.place, "duplicate", f"says the same as {first.place}")
        self._db.execute("drop index annotation_digest")
        self._script("join.sql")
        for later, first in self._taken_out("torn"):
            faults.add(
                later.place,
                "split",
                f"expected split {first.split} as in {first.place}, got {later.split}",
            )
        annotations, matched, annotated = self._row_of(
            "select count(*), count(file), count(distinct file) from annotation"
        )
        folded, stripped = self._row_of(
            "select count(*), count(nullif(is_padded, 0)) from annotation "
            "where is_folded and file is not null"
        )
        (inputs,) = self._row_of("select count(*) from input")
        return Counts(
            annotations=annotations,
            matched=matched,
            missing=annotations - matched,
            folded=folded,
            stripped=stripped,
            inputs=inputs,
            annotated=annotated,
            bare=inputs - annotated,
        )

    def _taken_out(self, view: Literal["duplicate", "torn"]) -> Iterator[tuple[Annotation, ...]]:
        """Yield what contradicts an earlier annotation, with that, and then take it out."""
        query = f"select content, first_content from {view} order by number"  # noqa: S608
        for later, first in self._db.execute(query):
            yield _decoded(later), _decoded(first)
        self._db.execute(f"delete from annotation where number in (select number from {view})")  # noqa: S608

    def splits(self) -> list[str]:
        """Return the splits of the matched annotations, sorted; a few more than a job may have."""
        query = (
            "select distinct split from annotation where file is not null and split is not null "
            "order by split limit ?"
        )
        return [split for (split,) in self._db.execute(query, (MAX_SPLITS + 1,))]

    def _row_of(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self._db.execute(query).fetchone()
        return row

    def matched(self) -> Iterator[Matched]:
        """Yield the matched annotations: inputs in the order given, each one's in file order."""
        query = (
            "select path, content, is_folded from annotation join input on file = input.number "
            "order by file, annotation.number"
        )
        for path, content, is_folded in self._db.execute(query):
            yield Matched(os.fsdecode(path), _decoded(content), bool(is_folded))

    def missing(self) -> Iterator[Missing]:
        """Yield the annotations without an input, in file order."""
        query = "select content, hits, folded from annotation where file is null order by number"
        for content, hits, folded in self._db.execute(query):
            yield self._missing(_decoded(content), hits, folded)

    def lost(self) -> Iterator[Lost]:
        """Yield the files that annotations without an input name, each once, in file order."""
        query = (
            "select content, hits, folded, count(*), min(number) from annotation "
            "where file is null group by key order by min(number)"
        )
        for content, hits, folded, count, _ in self._db.execute(query):
            first = self._missing(_decoded(content), hits, folded)
            yield Lost(_named(first.annotation.source), first, count)

    def _missing(self, annotation: Annotation, hits: int, folded: bytes) -> Missing:
        if not hits:
            return Missing(annotation, _no_file(annotation.source))
        query = "select path from input where folded = ? order by number limit ?"
        paths = [os.fsdecode(path) for (path,) in self._db.execute(query, (folded, NAMED + 1))]
        more = ", ..." if len(paths) > NAMED else ""
        return Missing(annotation, f"could be {' or '.join(map(shown, paths[:NAMED]))}{more}")

    def bare(self) -> Iterator[str]:
        """Yield the inputs without annotation, in the order given."""
        query = (
            "select path from input where number not in "
            "(select file from annotation where file is not null) order by number"
        )
        for (path,) in self._db.execute(query):
            yield os.fsdecode(path)


def _no_file(source: str) -> str:
    """Return why an annotation has no file, with the encoding where that is the likely reason."""
    try:
        utf8(source)
    except StrayByte as error:
        return f"no such file; {error}"
    return "no such file"


def _path_key(source: str) -> str:
    return "/".join(part for part in source.split("/") if part not in {"", "."})


def _named(source: str) -> str:
    return _path_key(source) or source


def _input_stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _source_stem(source: str) -> str:
    """Return the stem of a name that may or may not have a suffix: an id may have dots."""
    name = os.path.basename(source)
    return os.path.splitext(name)[0] if suffix(name) in MEDIA_SUFFIXES else name


KEYS: Final[dict[str, tuple[Callable[[str], str], Callable[[str], str]]]] = {
    "path": (_path_key, _path_key),
    "stem": (_source_stem, _input_stem),
}
"""What a source and an input are matched by."""


def _folded(key: str) -> bytes:
    return os.fsencode(key if key.isascii() else unicodedata.normalize("NFC", key))


def _encoded(annotation: Annotation) -> list[Json]:
    place = annotation.place
    return [
        annotation.source,
        list(annotation.labels),
        annotation.start_ns,
        annotation.end_ns,
        annotation.split,
        dict(annotation.extra),
        place.file,
        place.unit,
        place.number,
    ]


def _decoded(content: str) -> Annotation:
    source, labels, start_ns, end_ns, split, extra, *place = json.loads(content)
    return Annotation(
        source=source,
        labels=tuple(labels),
        start_ns=start_ns,
        end_ns=end_ns,
        split=split,
        extra=extra,
        place=Place(*place),
    )
