"""Annotations of a job: read, given to its inputs, and what has no partner named."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final

import duckdb
import pyarrow as pa

from shardmill.annotations.classes import read_classes
from shardmill.annotations.columns import Mapper
from shardmill.annotations.records import BATCH_ROWS, Batch, Fault, Faults
from shardmill.annotations.sources import Sources
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options.labels import check_class_count
from shardmill.contract.options.split import MAX_SPLITS
from shardmill.contract.quantity import format_count
from shardmill.contract.spec import Spec
from shardmill.inputs.scan import MEDIA_SUFFIXES

MEDIA_SUFFIX: Final = rf"(?is)^(\.*[^.].*)\.({'|'.join(sorted(MEDIA_SUFFIXES))})$"
TABLES: Final = (
    *("input", "origin", "read", "name", "contradiction", "found"),
    *("split", "segment", "file", "lost"),
)

Note = Callable[[str], None]


def annotate(db: duckdb.DuckDBPyConnection, sources: Sources, spec: Spec, note: Note) -> None:
    """Read all annotations and give each to its input.

    Creates three tables:

    * ``annotation (path blob, segment integer, segments integer, labels varchar[], extra varchar,
      clip_start_ns bigint, clip_end_ns bigint, split varchar)``: the annotations of each input,
      counted from 0 in the order in which they are written.  ``split`` is the input's.
    * ``skipped (path blob, segment integer, labels varchar[], extra varchar, split varchar, reason
      varchar)``: a file that is annotated and no input, and an input without annotation unless the
      spec keeps those.
    * ``class (label varchar)``: every label that there is.

    Args:
        db: Has the table ``input (path blob, pictures integer, ...)``: paths below the input
            directory, and null or the number of pictures of an image sequence.
        sources: Where the annotations are.
        spec: Whether a bad one ends it, and what becomes of inputs without.
        note: Receives how it went.

    Raises:
        UsageError: A file of annotations or the list of classes cannot be used, none of them is
            about an input, or there is a bad annotation and the spec allows none.
        EnvironmentFault: A file cannot be read on.
    """
    faults, by_stem = Faults(strict=spec.strict), sources.match == "stem"
    classes = None
    if sources.classes is not None:
        classes = read_classes(sources.classes, sources.class_order, faults)
    mappers = [
        Mapper(source.path, source.preset, faults, classes=classes) for source in sources.each
    ]
    _run(db, "inputs.sql", {"by_stem": by_stem, "media_suffix": MEDIA_SUFFIX})
    labels = _read(db, sources, mappers, dict(classes.known) if classes else {})
    _insert(db, "class", pa.table({"label": pa.array(sorted(labels), pa.string())}))
    _run(db, "match.sql", {"by_stem": by_stem, "media_suffix": MEDIA_SUFFIX})
    _add_contradictions(db, mappers, faults)
    matched = _report(db, faults, note)
    if not matched:
        _refuse(db, sources)
    _check_splits(db, spec)
    if spec.clip_s is not None:
        _check_whole(db, mappers)
    _skip_bare(db, spec, note)
    for table in TABLES:
        db.execute(f"drop table annotation_{table}")


def _run(db: duckdb.DuckDBPyConnection, script: str, values: Mapping[str, object]) -> None:
    """Run a file of SQL beside this module."""
    text = files("shardmill.annotations").joinpath(script).read_text("utf-8")
    for statement in db.extract_statements(text):
        db.execute(statement, {name: values[name] for name in statement.named_parameters})


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Append rows to a table, by the names of their columns."""
    db.register("annotation_rows", rows)
    db.execute(f"insert into {table} by name select * from annotation_rows")  # noqa: S608
    db.unregister("annotation_rows")


def _read(
    db: duckdb.DuckDBPyConnection,
    sources: Sources,
    mappers: Sequence[Mapper],
    labels: dict[str, None],
) -> dict[str, None]:
    """Fill ``annotation_read``; the labels, and those that are met.

    Raises:
        UsageError: There are more labels than a job may have, or a file cannot be used.
    """
    count = 0
    for origin, (source, mapper) in enumerate(zip(sources.each, mappers, strict=True)):
        where = str(mapper.place(0)).removesuffix("0")
        db.execute("insert into annotation_origin values (?, ?)", (origin, where))
        for table in mapper.read() if source.path is not None else _of_paths(db, mapper):
            found = table["labels"].combine_chunks().flatten().unique().to_pylist()
            labels |= dict.fromkeys(found)
            check_class_count(len(labels), found[-1] if found else "")
            numbers = pa.array(range(count, count + len(table)), pa.int64())
            rows = table.append_column("number", numbers)
            _insert(db, "annotation_read", rows.append_column("origin", [[origin] * len(rows)]))
            count += len(rows)
    return labels


def _of_paths(db: duckdb.DuckDBPyConnection, mapper: Mapper) -> Iterator[pa.Table]:
    """Annotations that the inputs' own paths are."""
    ((inputs,),) = db.execute("select count(*) from annotation_input").fetchall()
    for first in range(0, inputs, BATCH_ROWS):
        rows = db.execute(
            "select number + 1, bytes_of(source_of(path, is_sequence)) from annotation_input "
            "where number >= ? and number < ? order by number",
            (first, first + BATCH_ROWS),
        ).fetchall()
        paths = [os.fsdecode(source) for _, source in rows]
        numbers = [number for number, _ in rows]
        yield mapper.table(Batch(numbers, {"path": paths}, [{}] * len(rows), {}))


def _add_contradictions(
    db: duckdb.DuckDBPyConnection, mappers: Sequence[Mapper], faults: Faults
) -> None:
    """Add the annotations that are left out for what earlier ones say.

    Raises:
        InvalidAnnotations: There is one and the faults allow none.
    """
    rows = db.execute(
        "select kind, later.origin, later.line, earlier.origin, earlier.line, earlier.split, "
        "later.split from (from annotation_contradiction order by kind, number limit ?) as each "
        "join annotation_read as later using (number) "
        "join annotation_read as earlier on earlier.number = first order by kind, each.number",
        (faults.keep,),
    ).fetchall()
    for kind, origin, line, first_origin, first_line, expected, got in rows:
        first = mappers[first_origin].place(first_line)
        reason = f"expected split {expected} as in {first}, got {got}"
        if kind == "duplicate":
            reason = f"says the same as {first}"
        faults.add(Fault(mappers[origin].place(line), kind, reason))
    counts = "select kind, count(*) from annotation_contradiction group by kind"
    faults.counts.update(dict(db.execute(counts).fetchall()))
    faults.counts.subtract(kind for kind, *_ in rows)


def _report(db: duckdb.DuckDBPyConnection, faults: Faults, note: Note) -> int:
    """Note how it went; how many annotations are an input's."""
    ((count, matched, stripped, annotated, inputs),) = db.execute(
        "select count(*), count(input), count(*) filter (is_stripped), count(distinct input), "
        "(select count(*) from annotation_input) from annotation_found"
    ).fetchall()
    for fault in faults.kept:
        note(f"bad annotation: {fault}")
    if bad := faults.counts.total():
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(faults.counts.items()))
        note(f"{format_count(bad, 'bad annotation')} left out: {kinds}")
    blanks = faults.blanks + Counter({"path": stripped})  # without those of which there are none
    if blanks:
        texts = ", ".join(format_count(number, what) for what, number in sorted(blanks.items()))
        note(f"blanks stripped at the ends of {texts}")
    note(
        f"{format_count(matched, 'annotation')} of {format_count(annotated, 'file')} of {inputs:,}"
    )
    if missing := count - matched:
        note(
            f"{format_count(missing, 'annotation')} without a file: see the skipped rows, "
            "which name their lines"
        )
    return int(matched)


def _refuse(db: duckdb.DuckDBPyConnection, sources: Sources) -> None:
    """Refuse annotations of which none is an input's.

    Raises:
        InvalidAnnotations: Always.
    """
    ((count, first, inputs),) = db.execute(
        "select count(*), arg_min(source, number), (select count(*) from annotation_input) "
        "from annotation_found join annotation_read using (number)"
    ).fetchall()
    names = "" if first is None else f", {os.fsdecode(first)!r} for instance"
    raise InvalidAnnotations(
        f"expected annotations of the inputs, matched by {sources.match}, got {count:,} and none "
        f"is of one of the {inputs:,} inputs{names}: "
        "see --preset, --columns and --form match=stem"
    )


def _check_splits(db: duckdb.DuckDBPyConnection, spec: Spec) -> None:
    rows = db.execute(
        "select distinct split from annotation where split is not null order by split limit ?",
        (MAX_SPLITS + 1,),
    ).fetchall()
    if len(rows) > MAX_SPLITS:
        raise InvalidAnnotations(
            f"expected at most {MAX_SPLITS} splits, got more, {rows[-1][0]!r} among them: "
            "say which column names the split, as in --columns split=subset, or split= for none"
        )
    if rows and spec.split is not None:
        raise UsageError(
            f"expected one way to splits, got --split and annotations that name {rows[0][0]!r}: "
            "leave --split out, or say --columns split= where a column names them"
        )


def _check_whole(db: duckdb.DuckDBPyConnection, mappers: Sequence[Mapper]) -> None:
    """Refuse to cut files into clips of a length where annotations say what clips there are."""
    found = db.execute(
        "select arg_max(origin, number), arg_max(line, number) "
        "from annotation_found join annotation_read using (number) where input is not null "
        "group by input having count(*) > 1 or count(start_ns) > 0 or count(end_ns) > 0 "
        "order by input limit 1"
    ).fetchall()
    for origin, line in found:
        raise UsageError(
            f"--clip-seconds cuts whole files, got {mappers[origin].place(line)}, which says what "
            "clips there are: leave --clip-seconds out"
        )


def _skip_bare(db: duckdb.DuckDBPyConnection, spec: Spec, note: Note) -> None:
    """Skip the inputs without annotation, or note that they are taken as they are."""
    bare = "from annotation_input anti join annotation using (path)"
    ((count,),) = db.execute(f"select count(*) {bare}").fetchall()
    if count and spec.keep_unannotated:
        note(f"{format_count(count, 'file')} without annotation taken whole and unlabelled")
    elif count:
        values = "path, 0, []::varchar[], null, null, 'no annotation'"
        db.execute(f"insert into skipped select {values} {bare}")
        note(
            f"{format_count(count, 'file')} without annotation left out: see the skipped rows, or "
            "take them with --keep-unannotated"
        )
