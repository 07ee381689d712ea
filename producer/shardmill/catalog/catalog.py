"""What is to do: the inputs of a job as a table, compared with what its output directory holds.

A million inputs do not belong in memory as values: they are rows of a DuckDB database, whose memory
is bounded and which spills to a file.  Comparison, labels, duplicates and splits are questions
about whole columns.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

import duckdb
import pyarrow as pa

from shardmill.catalog import earlier
from shardmill.contract.location.archive import Member
from shardmill.contract.location.image_sequence import ImageSequence
from shardmill.contract.location.roots import Roots
from shardmill.contract.options.labels import WORDS, LabelOf
from shardmill.contract.spec import Spec
from shardmill.dataset.layout import Layout
from shardmill.inputs.scan import IMAGE_SUFFIXES, Files, Found, Scanned, found_at, suffix
from shardmill.inputs.sequences import sequence_at

MEMORY: Final = "100MB"
"""Memory of the database; what is more goes to a file."""
CHUNK_ROWS: Final = 32_768
"""Rows that are held as values at a time."""
_MEMBER: Final = "archive, archive_offset, packed_bytes, obstacle"
_SEQUENCE: Final = "pictures, pictures_hz, pictures_digest"
_FOUND: Final = f"path, size, mtime, {_MEMBER}, {_SEQUENCE}"
_INPUT: Final = pa.schema(
    [
        *(pa.field("path", pa.binary()), pa.field("size", pa.int64())),
        *(pa.field("mtime", pa.int64()), pa.field("label", pa.string())),
        *(pa.field("is_picture", pa.bool_()), pa.field("archive", pa.binary())),
        *(pa.field("archive_offset", pa.int64()), pa.field("packed_bytes", pa.int64())),
        *(pa.field("obstacle", pa.string()), pa.field("pictures", pa.int64())),
        *(pa.field("pictures_hz", pa.float64()), pa.field("pictures_digest", pa.string())),
        pa.field("unknown", pa.bool_()),
    ]
)
_OF_EQUAL_SIZE: Final = (
    "from input where size > 0 "
    "and size in (select size from input group by size having count(*) > 1)"
)


class Catalog:
    """The inputs of one job and the rows of its output directory.

    Args:
        folder: A directory for what does not fit into memory; the caller removes it.
        label_of: From an input's path, or its source, to its label.
        by_source: Whether labels go by the source of an input: see ``Found.source``.
    """

    def __init__(self, folder: str, label_of: LabelOf, *, by_source: bool = True) -> None:
        self.db = duckdb.connect(os.path.join(folder, "catalog"))
        """The database; see ``catalog.sql`` for its tables."""
        self._columns = _Columns(label_of, by_source=by_source)
        self.db.execute(
            f"set memory_limit = '{MEMORY}'; set threads = 1; set preserve_insertion_order = false"
        )
        self.db.execute("set temp_directory = ?", [os.path.join(folder, "spilled")])
        self._script("catalog")

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    def _script(self, name: str) -> None:
        self.db.execute(sql(name))

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table, column by column in its order."""
        self.db.register("rows_to_insert", rows)
        columns = ", ".join(rows.column_names)
        self.db.execute(f"insert into {table} ({columns}) select * from rows_to_insert")  # noqa: S608
        self.db.unregister("rows_to_insert")

    def scalar(self, query: str, *values: object) -> Any:
        """Return the one value of a query."""
        ((value,),) = self.db.execute(query, values).fetchall()
        return value

    def add(self, inputs: Iterable[Scanned]) -> None:
        """Take in inputs."""
        for each in inputs:
            self._columns.add(each)
            if len(self._columns) >= CHUNK_ROWS:
                self.insert("input", self._columns.take())
        if len(self._columns):
            self.insert("input", self._columns.take())

    def unite(self) -> None:
        """Keep one of several inputs of one path: a list may name a file twice.

        Of what lies in an archive the last counts, as when it is unpacked.
        """
        if self.scalar("select count(*) - count(distinct path) from input"):
            self.db.execute(
                "create table united as select * exclude (number) from ("
                "    select *, row_number() over () as number from input"
                ") qualify row_number() over ("
                "    partition by path order by archive is null, "
                "    case when archive is null then number else -number end"
                ") = 1;"
                "drop table input; alter table united rename to input"
            )

    def count(self) -> int:
        """Return the number of inputs, those left out among them."""
        return int(
            self.scalar(
                "select (select count(*) from input) + "
                "(select count(distinct path) from skipped_input)"
            )
        )

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
            spec: Says whether annotations are about inputs, and name their splits.
            broken: Parts that are left out.
            again: Classes of the failed rows to be tried again; None means all, and that what is
                to be left out is decided anew.

        Raises:
            DatasetDamaged: A manifest part cannot be read.
        """
        without = {*broken, *(layout.left_out_parts() if again is None else ())}
        parts = [part for part in layout.parts() if part not in without]
        for number, part in enumerate(parts):
            self.db.execute("insert into part values (?, ?)", (number, part))
            rows = earlier.rows_of(part, spec, again=again)
            self.insert(
                "earlier", rows.add_column(0, "part", pa.array([number] * len(rows), pa.int32()))
            )

    def add_rows_as_inputs(self, roots: Roots) -> None:
        """Take the files that have rows for the inputs, instead of looking into the directory.

        Those to be tried again are as they are now; one that is gone has size 0, as in a scan.
        What annotations said, and where in archives files lie, is taken from the rows too.
        """
        self.db.execute(
            "insert into annotation "
            "select distinct on (path, place) path, place, places, labels, extra, clip_start_ns, "
            "clip_end_ns, said_split from earlier where extra is not null"
        )
        tried = self.db.execute(
            f"select distinct on (path) {_FOUND} from earlier where again"  # noqa: S608
        ).fetchall()
        self.add(_as_it_is_now(_found(row), roots) for row in tried)
        self._add_found(
            f"select distinct on (path) {_FOUND} from earlier "  # noqa: S608
            "where path not in (select path from input)"
        )

    def _add_found(self, query: str) -> None:
        """Take in inputs that a query knows: columns ``_FOUND``."""
        rows = self.db.cursor().execute(query)  # a connection of its own: it is read meanwhile
        while chunk := rows.fetchmany(CHUNK_ROWS):
            self.add(map(_found, chunk))

    def compare(self) -> int:
        """Hold the rows against the inputs, once all are here.

        Returns:
            Number of files with rows that could not be looked at; they count as unchanged.
        """
        kept = 0
        if self.scalar("select count(*) from input where unknown"):
            self._script("unknown")
            self._add_found(
                f"select distinct on (path) {_FOUND} from kept "  # noqa: S608
                "where path not in (select path from input)"
            )
            kept = self.scalar("select count(distinct path) from kept")
        self._script("compare")
        return kept

    def earlier_count(self) -> int:
        """Return the number of rows of the output directory."""
        return int(self.scalar("select count(*) from earlier"))

    def gone_count(self) -> int:
        """Return the number of rows about files that are no inputs any more."""
        return int(self.scalar("select count(*) from earlier anti join input using (path)"))

    def of_equal_size(self) -> Iterator[Found]:
        """Yield the inputs that have the size of another one, by path."""
        rows = self.db.cursor().execute(f"select {_FOUND} {_OF_EQUAL_SIZE} order by path")
        while chunk := rows.fetchmany(CHUNK_ROWS):
            yield from map(_found, chunk)

    def of_equal_size_count(self) -> int:
        """Return the number of inputs that have the size of another one."""
        return int(self.scalar(f"select count(*) {_OF_EQUAL_SIZE}"))

    def skip(self, rows: pa.Table) -> None:
        """Take inputs from what is to do.

        Args:
            rows: Column ``path`` (bytes) of inputs, and ``reason``: words that continue "skipped:".
        """
        self.db.register("rows_to_skip", rows)
        self.db.execute(
            "insert into skipped_input by name "
            "select * exclude (label, is_picture, unknown, done), "
            "case when label is null then [] else [label] end as labels, 0 as segment "
            "from rows_to_skip join input using (path)"
        )
        self.db.unregister("rows_to_skip")
        self._leave_out_skipped()

    def skip_by_annotations(self) -> None:
        """Take from what is to do what annotations leave out: the rows of ``skipped``."""
        self.db.execute(
            "insert into skipped_input by name "  # noqa: S608 - names of columns alone
            "select skipped.*, coalesce(size, 0) as size, coalesce(mtime, 0) as mtime, "
            f"{_MEMBER}, {_SEQUENCE} from skipped left join input using (path)"
        )
        self._leave_out_skipped()

    def _leave_out_skipped(self) -> None:
        self.db.execute(
            "insert into stale select distinct path, own from earlier "
            "where path in (select path from skipped_input) "
            "and (path, own) not in (select path, own from stale);"
            "delete from input where path in (select path from skipped_input)"
        )

    def labels(self) -> list[str]:
        """Return the labels of the inputs, in no order."""
        query = "select distinct label from input where label is not null union from class"
        return [label for (label,) in self.db.execute(query).fetchall()]

    def changed_parts(self) -> list[str]:
        """Return the parts with a clip whose file has changed or is gone."""
        query = (
            "select distinct file from earlier join part on part.id = earlier.part "
            "where has_clip and (path, own) in (select path, own from stale) order by file"
        )
        return [part for (part,) in self.db.execute(query).fetchall()]

    def stale_rows(self) -> dict[str, set[tuple[bytes, int]]]:
        """Return, by part, path and segment of the rows that do not count any more."""
        query = (
            "select file, path, segment from earlier join part on part.id = earlier.part "
            "where (path, own) in (select path, own from stale)"
        )
        stale: dict[str, set[tuple[bytes, int]]] = {}
        for part, *row in self.db.execute(query).fetchall():
            stale.setdefault(part, set()).add(tuple(row))
        return stale

    def forget(self, part: str) -> None:
        """Leave out all rows of a part that no longer exists; their inputs are to be done."""
        number = self.scalar("select id from part where file = ?", part)
        for statement in self.db.extract_statements(sql("forget")):
            self.db.execute(statement, {"part": number})

    def done_count(self) -> int:
        """Return the number of inputs that have good rows."""
        return int(self.scalar("select count(*) from input where done"))

    def todo_count(self) -> int:
        """Return the number of rows to do: inputs, or single annotations of them."""
        return int(self.scalar(f"select count(*) from ({sql('work')})"))  # noqa: S608

    def work(self, *, seed: int | None) -> pa.RecordBatchReader:
        """Return what has no good row, split by split.

        Args:
            seed: Puts the rows of a split in an order that is as good as drawn, and the same for
                the same seed everywhere; None orders them by path.
        """
        rank = "" if seed is None else "md5_number(?::blob || path), "
        query = f"{sql('work')} order by split, {rank} path, segment"
        values = [] if seed is None else [seed.to_bytes(8, "little")]
        return self.db.sql(query, params=values).to_arrow_reader(CHUNK_ROWS)

    def skipped(self) -> pa.RecordBatchReader:
        """Return the inputs that are left out, with the reason, by path."""
        return self.db.sql(
            "select path, size as size_bytes, mtime as mtime_ns, labels, extra, split, "  # noqa: S608
            f"segment::bigint as segment, {_MEMBER}, {_SEQUENCE}, reason "
            "from skipped_input order by path, segment, reason"
        ).to_arrow_reader(CHUNK_ROWS)


class _Columns:
    """Inputs as the columns of ``input``."""

    def __init__(self, label_of: LabelOf, *, by_source: bool) -> None:
        self._label_of = label_of
        self._by_source = by_source
        self._is_of_folder = label_of in WORDS.values()
        self._clear()

    def _clear(self) -> None:
        self._paths: list[str] = []
        self._sizes: list[int] = []
        self._mtimes: list[int] = []
        self._labels: list[str | None] = []
        self._odd: dict[int, Found] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, each: Scanned) -> None:
        """Add the files of a folder, or one input."""
        if isinstance(each, Files):
            paths = each.paths
            self._paths += paths
            self._sizes += each.sizes_bytes
            self._mtimes += each.mtimes_ns
            if self._is_of_folder and paths:
                self._labels += [self._label_of(paths[0])] * len(paths)
            else:
                self._labels += map(self._label_of, paths)
            return
        if each.member is not None or each.sequence is not None or each.is_unknown:
            self._odd[len(self._paths)] = each
        self._paths.append(each.path)
        self._sizes.append(each.size_bytes)
        self._mtimes.append(each.mtime_ns)
        self._labels.append(self._label_of(each.source if self._by_source else each.path))

    def take(self) -> pa.Table:
        """Return the inputs as a table, and forget them."""
        columns: dict[str, pa.Array] = {
            "path": pa.array(map(os.fsencode, self._paths), pa.binary()),
            "size": pa.array(self._sizes, pa.int64()),
            "mtime": pa.array(self._mtimes, pa.int64()),
            "label": pa.array(self._labels, pa.string()),
            "is_picture": pa.array([suffix(path) in IMAGE_SUFFIXES for path in self._paths]),
            **self._odd_columns(),
        }
        self._clear()
        return pa.table(columns, schema=_INPUT)

    def _odd_columns(self) -> dict[str, pa.Array]:
        """Return what members of archives and image sequences have besides, and what is unknown."""
        count, names = len(self._paths), [*_INPUT.names[_INPUT.get_field_index("archive") :]]
        if not self._odd:
            return {name: pa.nulls(count, _INPUT.field(name).type) for name in names}
        values: dict[str, list[Any]] = {name: [None] * count for name in names}
        for place, found in self._odd.items():
            fields: dict[str, Any] = {"unknown": found.is_unknown}
            if found.member is not None:
                fields |= found.member.fields()
                fields["archive"] = os.fsencode(found.member.archive)
            if found.sequence is not None:
                fields |= found.sequence.fields()
            for name, value in fields.items():
                values[name][place] = value
        return {name: pa.array(values[name], _INPUT.field(name).type) for name in names}


def sql(name: str) -> str:
    """Return a query of this package."""
    return files("shardmill.catalog").joinpath(f"{name}.sql").read_text("utf-8")


def _found(row: tuple[Any, ...]) -> Found:
    path, size_bytes, mtime_ns, archive, offset, packed_bytes, obstacle, *sequence = row
    where = None
    if archive is not None:
        where = Member(os.fsdecode(archive), offset, packed_bytes, obstacle)
    what = None if sequence[0] is None else ImageSequence(*sequence)
    return Found(os.fsdecode(path), size_bytes, mtime_ns, where, what)


def _as_it_is_now(found: Found, roots: Roots) -> Found:
    """Return an input as it is now; what lies in an archive as it was."""
    if found.member is not None:
        return found
    base = roots.base_of(found.path)
    if found.sequence is not None:
        return sequence_at(base, found.path, found.sequence.pictures_hz)
    return found_at(base, found.path)
