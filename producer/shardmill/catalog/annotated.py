"""Annotations brought into a job: they say which inputs become clips, and which clips."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from shardmill.annotations.annotation import Annotation, Faults
from shardmill.annotations.classes import Classes, read_classes
from shardmill.annotations.matching import Counts, Matching
from shardmill.annotations.reading import from_paths, read
from shardmill.annotations.sources import Sources
from shardmill.catalog import annotation_fingerprint
from shardmill.catalog.skipped_inputs import LeftOut
from shardmill.catalog.spool import Said, Spool
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options.split import MAX_SPLITS
from shardmill.contract.quantity import format_count
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec

SHOWN: Final = 3
"""Bad annotations that are told one by one."""

Note = Callable[[str], None]


def annotate(spool: Spool, sources: Sources, spec: Spec, path: str, note: Note) -> set[str]:
    """Read all annotations and give each to its input; what has no partner is left out, and told.

    Args:
        spool: The inputs.
        sources: Where the annotations are.
        spec: Says whether a bad one ends it, and what becomes of inputs without.
        path: A temporary file to be made.
        note: Told how it went.

    Returns:
        Every label that there is.

    Raises:
        UsageError: A file of annotations or the list of classes cannot be used, none of them is
            about an input, or there is a bad annotation and the spec allows none.
        EnvironmentFault: A file cannot be read on.
    """
    faults = Faults(strict=spec.strict)
    classes = None
    if sources.classes is not None:
        classes = read_classes(sources.classes, sources.class_order, faults)
    with Matching(path, by=sources.match) as matching:
        matching.add_inputs(path for path, source in spool.sources() if path == source)
        if spec.sequences:
            matching.add_sequences(path for path, source in spool.sources() if path != source)
        _read(matching, spool, sources, faults, classes)
        counts = matching.join(faults)
        _tell(faults, counts, note)
        _check(matching, counts, sources, spec)
        spool.add_said(_said(matching, spec))
        spool.leave_out(_missing(matching))
        labels = matching.labels | set(classes.labels if classes else ())
    os.unlink(path)  # it may be as large as the annotations
    _settle_bare(spool, spec, note)
    return labels


def _read(
    matching: Matching, spool: Spool, sources: Sources, faults: Faults, classes: Classes | None
) -> None:
    for source in sources.each:
        if source.path is None:
            folders = (folder for _, folder in spool.sources())
            matching.add(from_paths(folders, source.preset, faults, classes=classes))
        else:
            matching.add(read(source.path, source.preset, faults, classes=classes))


def _tell(faults: Faults, counts: Counts, note: Note) -> None:
    for fault in faults.kept[:SHOWN]:
        note(f"bad annotation: {fault}")
    if faults.count:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(faults.counts.items()))
        note(f"{format_count(faults.count, 'bad annotation')} left out: {kinds}")
    blanks = faults.blanks + Counter({"path": counts.stripped})
    if told := ", ".join(format_count(number, what) for what, number in sorted(blanks.items())):
        note(f"blanks stripped at the ends of {told}")
    note(
        f"{format_count(counts.matched, 'annotation')} of {format_count(counts.annotated, 'file')}"
        f" of {counts.inputs:,}"
    )
    if counts.missing:
        note(
            f"{format_count(counts.missing, 'annotation')} without a file: see the skipped rows, "
            "which name their lines"
        )


def _check(matching: Matching, counts: Counts, sources: Sources, spec: Spec) -> None:
    """Refuse what is likely a mistake as a whole."""
    if not counts.matched:
        first = next(matching.missing(), None)
        names = f", {first.annotation.source!r} for instance" if first is not None else ""
        raise InvalidAnnotations(
            f"expected annotations of the inputs, matched by {sources.match}, got "
            f"{counts.annotations:,} and none is of one of the {counts.inputs:,} inputs{names}: "
            "see --preset, --columns and --form match=stem"
        )
    splits = matching.splits()
    if len(splits) > MAX_SPLITS:
        raise InvalidAnnotations(
            f"expected at most {MAX_SPLITS} splits, got more, {splits[-1]!r} among them: "
            "say which column names the split, as in --columns split=subset, or split= for none"
        )
    if splits and spec.split is not None:
        raise UsageError(
            f"expected one way to splits, got --split and annotations that name {splits[0]!r}: "
            "leave --split out, or say --columns split= where a column names them"
        )


def _said(matching: Matching, spec: Spec) -> Iterator[Said]:
    for path, group in groupby(matching.matched(), attrgetter("path")):
        annotations = [found.annotation for found in group]
        if spec.clip_s is not None:
            _check_whole(annotations)
        split = next((each.split for each in annotations if each.split is not None), None)
        for segment, annotation in enumerate(annotations):
            whole = replace(annotation, split=split)
            text = annotation_fingerprint.of_annotation(whole, segments=len(annotations))
            yield Said(path, segment, split, text)


def _check_whole(annotations: list[Annotation]) -> None:
    *_, last = annotations
    if len(annotations) > 1 or (last.start_ns, last.end_ns) != (None, None):
        raise UsageError(
            f"--clip-seconds cuts whole files, got {last.place}, which says what clips there are: "
            "leave --clip-seconds out"
        )


def _missing(matching: Matching) -> Iterator[LeftOut]:
    for lost in matching.lost():
        annotation = lost.first.annotation
        more = f" and {lost.count - 1:,} more" if lost.count > 1 else ""
        item = Item(
            path=lost.path,
            size_bytes=0,
            mtime_ns=0,
            labels=annotation.labels,
            extra=annotation_fingerprint.extra_of(annotation),
            split=annotation.split,
        )
        yield item, f"{lost.first.reason}; annotated in {annotation.place}{more}"


def _settle_bare(spool: Spool, spec: Spec, note: Note) -> None:
    """Leave out the inputs without annotation, or tell that they are taken as they are."""
    count = spool.bare_count()
    if count and spec.keep_unannotated:
        note(f"{format_count(count, 'file')} without annotation taken whole and unlabelled")
    elif count:
        spool.leave_out((found.item(), "no annotation") for found in spool.bare())
        note(
            f"{format_count(count, 'file')} without annotation left out: see the skipped rows, or "
            "take them with --keep-unannotated"
        )
