"""From a record of columns to an annotation: paths, times, labels, each checked."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, Literal

from shardmill.annotations.annotation import (
    Annotation,
    Faults,
    Json,
    Place,
    Unfit,
    shown,
)
from shardmill.annotations.classes import Classes
from shardmill.annotations.form import Preset
from shardmill.annotations.template import Template
from shardmill.annotations.times import time_ns
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.options.labels import label_of, last_folder, pattern_label
from shardmill.contract.options.split import SPLIT_NAME
from shardmill.contract.quantity import printable
from shardmill.inputs.text_file import StrayByte, utf8

LONGEST_PATH: Final = 4096
"""Bytes of a path; Linux takes no longer one."""
LONGEST_LABEL: Final = 1000
"""Characters.  More is a caption."""
LONGEST_TEXT: Final = 16_384
"""Characters of all labels, or of all other columns, as JSON: they go with every clip."""
SPLIT: Final = re.compile(SPLIT_NAME, re.ASCII)
"""A plain word, for it names a folder."""
FOLDERS: Final = {"first": label_of, "last": last_folder}


class Mapper:
    """Makes annotations of records as a preset says.

    Args:
        preset: What the columns mean.
        faults: Takes what is left out, and counts the labels and splits with blanks at their ends.
        classes: The classes there are; None: any.

    Raises:
        UsageError: A template or a pattern of the preset is none.
    """

    def __init__(self, preset: Preset, faults: Faults, *, classes: Classes | None = None) -> None:
        columns = preset.columns
        self._preset = preset
        self._faults = faults
        self._columns = columns
        self._classes = classes
        self._template = Template(columns.template) if columns.template is not None else None
        self._pattern = pattern_label(columns.label_pattern) if columns.label_pattern else None
        self._without = str.maketrans("", "", columns.label_without)
        self._mapped = {columns.label, columns.start, columns.end, columns.split}
        if self._template is None:
            self._mapped.add(columns.path)

    @property
    def needed(self) -> set[str]:
        """Columns that a header must have."""
        source = self._template.columns if self._template else {self._columns.path}
        named = self._columns.named
        return source | (named - {self._columns.label} if self._columns.label_folder else named)

    def annotations(
        self, records: Iterable[tuple[Place, Mapping[str, object]]]
    ) -> Iterator[Annotation]:
        """Yield the annotations of records; those that cannot be used are left out as faults.

        Raises:
            InvalidAnnotations: A record has a byte that is not UTF-8 elsewhere than in its path,
                or cannot be used and no fault is allowed.
        """
        for place, record in records:
            try:
                yield self._annotation(place, record)
            except Unfit as error:
                self._faults.add(place, error.kind, error.reason)
            except StrayByte as error:
                raise InvalidAnnotations(f"{place}: {error}") from error

    def _annotation(self, place: Place, record: Mapping[str, object]) -> Annotation:
        columns = self._columns
        source = self._source(record)
        start_ns = time_ns(_get(record, columns.start), columns.start or "")
        end_ns = time_ns(_get(record, columns.end), columns.end or "")
        if end_ns is not None and end_ns <= (start_ns or 0):
            raise Unfit(
                "time",
                f"expected an end after the start, got {shown(_get(record, columns.start))} "
                f"to {shown(_get(record, columns.end))}",
            )
        extra = {
            utf8(name): _json(value) for name, value in record.items() if name not in self._mapped
        }
        labels = list(dict.fromkeys(self._labels(source, record)))
        for what, value in (("labels", labels), ("other columns", extra)):
            size = len(json.dumps(value))
            if size > LONGEST_TEXT:
                raise Unfit(
                    "long", f"expected {what} of at most {LONGEST_TEXT:,} characters, got {size:,}"
                )
        return Annotation(
            source=source,
            labels=tuple(labels),
            start_ns=start_ns,
            end_ns=end_ns,
            split=self._split(record),
            extra=extra,
            place=place,
        )

    def _split(self, record: Mapping[str, object]) -> str | None:
        split = _get(record, self._columns.split)
        text = "" if split is None else self._plain_text("split", split)
        if not text:
            return self._preset.split
        if not SPLIT.fullmatch(text):
            raise Unfit(
                "split",
                f"expected a split of at most 32 letters, digits, _ and -, got {shown(text)}",
            )
        return text

    def _source(self, record: Mapping[str, object]) -> str:
        if self._template is not None:
            source = self._template.fill(lambda column: _get(record, column))
        else:
            value = _get(record, self._columns.path)
            if value is None or value == "":
                have = ", ".join(map(shown, list(record)[:20]))
                raise Unfit(
                    "columns", f"expected a path in column {self._columns.path!r}, got {have}"
                )
            if not isinstance(value, str) and type(value) is not int:
                raise Unfit("path", f"expected a path, got {shown(value)}")
            source = str(value)
        return _checked(source)

    def _labels(self, source: str, record: Mapping[str, object]) -> Iterator[str]:
        for text in self._label_texts(source, record):
            label = text.translate(self._without).strip() if self._without else text
            if self._pattern is not None:
                label = self._pattern(text) or ""
            if len(label) > LONGEST_LABEL:
                raise Unfit(
                    "label", f"expected at most {LONGEST_LABEL:,} characters, got {shown(label)}"
                )
            if self._classes is not None and label:
                label = self._classes.label(label)
            if label:
                yield label

    def _label_texts(self, source: str, record: Mapping[str, object]) -> list[str]:
        columns = self._columns
        if columns.label_folder:
            folder = FOLDERS[columns.label_folder](source.strip())
            return [folder] if folder else []
        value = _get(record, columns.label)
        if isinstance(value, str) and columns.label_separator:
            value = value.split(columns.label_separator)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [self._plain_text("label", each) for each in values]

    def _plain_text(self, what: Literal["label", "split"], value: object) -> str:
        if isinstance(value, str | Decimal) or type(value) is int:
            return printable(utf8(self._faults.stripped(str(value), what)))
        raise Unfit(what, f"expected text as {what}, got {shown(value)}")


def _get(record: Mapping[str, object], column: str | None) -> object:
    """Return a column's value, through dots into nested ones; None if there is none."""
    if column is None:
        return None
    if column in record:
        return record[column]
    value: object = record
    for step in column.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _checked(source: str) -> str:
    """Return a path that leads to a file below the input directory.

    Raises:
        Unfit: It leads elsewhere, or no file can have it.
    """
    if source.startswith("/"):
        raise Unfit("path", f"expected a path below the input directory, got {shown(source)}")
    if ".." in source.split("/"):
        raise Unfit("path", f"expected a path without .., got {shown(source)}")
    try:
        size = len(os.fsencode(source))
    except UnicodeEncodeError as error:
        raise Unfit("path", f"expected a file's name, got {shown(source)}") from error
    if "\0" in source or not 0 < size <= LONGEST_PATH or source.endswith("/"):
        raise Unfit("path", f"expected a file's name, got {shown(source)}")
    return source


def _json(value: object) -> Json:
    """Return a value as plain JSON: text fit for UTF-8, numbers as numbers."""
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, Decimal):
        number = float(value)
        return number if abs(number) != float("inf") else str(value)
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        return {utf8(name): _json(each) for name, each in value.items()}
    assert value is None or isinstance(value, bool | int)
    return value
