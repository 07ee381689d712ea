"""What an annotation makes of an item, as one text: equal texts, equal clips.

The text lies in the spool beside the input, and is made again of a manifest row's columns.  So a
changed label or range is found out by comparing texts, and a retry, which has no annotations at
hand, finds in the rows what they said.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from shardmill.annotations.annotation import Annotation
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.schema import Item
from shardmill.contract.spec import Spec
from shardmill.inputs.scan import Found

COLUMNS: Final = [
    *("segment", "segments", "start_ns", "end_ns"),
    *("labels", "extra", "clip_start_ns", "clip_end_ns", "split"),
]
"""Columns of the manifest that ``of_rows`` looks at."""
_TEXT: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


def of_annotation(annotation: Annotation, *, segments: int) -> str:
    """Return the text of an annotation of a file that has ``segments`` of them."""
    return _text(
        segments=segments,
        labels=annotation.labels,
        extra=extra_of(annotation),
        clip_start_ns=annotation.start_ns,
        clip_end_ns=annotation.end_ns,
        split=annotation.split,
    )


def extra_of(annotation: Annotation) -> str:
    """Return the other columns of an annotation as a JSON object."""
    return _TEXT.encode(dict(annotation.extra))


def of_rows(rows: Iterable[dict[str, Any]], spec: Spec) -> Iterator[tuple[int, str | None]]:
    """Yield which annotation of its file each row is about, from 0, and its text; None without.

    A whole file that was cut has several rows of one annotation.

    Args:
        rows: Each has ``COLUMNS``.
        spec: Says whether splits come from annotations, and whether files are cut into clips.
    """
    for row in rows:
        if spec.split is not None:
            row["split"] = None
        if (row.pop("start_ns"), row.pop("end_ns")) != (None, None):
            row |= {"segment": 0, "segments": 1}
        if spec.clip_s is not None:
            row |= {"segment": 0, "segments": 1, "clip_start_ns": None, "clip_end_ns": None}
        segment = row.pop("segment")
        yield segment, None if row["extra"] is None else _text(**row)


def item_of(found: Found, segment: int, text: str, classes: Mapping[str, int]) -> Item:
    """Return the item that an annotation makes of a file.

    Args:
        found: The file.
        segment: Which of its annotations, from 0.
        text: What that says.
        classes: Label to number.

    Raises:
        DatasetDamaged: A label has none.
    """
    said = json.loads(text)
    return found.item(segment=segment, label_ids=numbers_of(said["labels"], classes), **said)


def label_in(text: str) -> str | None:
    """Return the first label of an annotation; None without one."""
    labels: list[str] = json.loads(text)["labels"]
    return labels[0] if labels else None


def numbers_of(labels: Any, classes: Mapping[str, int]) -> tuple[int, ...]:
    """Return the numbers of labels.

    Raises:
        DatasetDamaged: One has none: rows tell of it, but ``classes.json`` does not.
    """
    try:
        return tuple(classes[label] for label in labels)
    except KeyError as error:
        raise DatasetDamaged(
            f"expected every class in classes.json, found no {error}: the job's own command "
            "makes it again"
        ) from error


def _text(**values: Any) -> str:
    return _TEXT.encode({name: value for name, value in values.items() if value is not None})
