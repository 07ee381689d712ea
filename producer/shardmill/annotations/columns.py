"""From the records of a file to columns of annotations, as a preset says, each value checked."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import pyarrow as pa

from shardmill.annotations.classes import Classes
from shardmill.annotations.delimited import delimited, listed
from shardmill.annotations.documents import documented, line_by_line
from shardmill.annotations.presets import Preset, template_columns
from shardmill.annotations.records import Batch, Fault, Faults, Place, Unfit, shown
from shardmill.annotations.values import (
    filled,
    is_plain,
    json_of,
    path_bytes,
    time_ns,
)
from shardmill.contract.errors import InvalidAnnotations
from shardmill.contract.options.labels import label_of, last_folder, pattern_label
from shardmill.contract.options.split import SPLIT_NAME
from shardmill.contract.quantity import printable
from shardmill.inputs.text_file import StrayByte, TextFile, utf8

LONGEST_LABEL: Final = 1000
"""Characters.  More is a caption."""
LONGEST_TEXT: Final = 16_384
"""Characters of all labels, or of all other columns, as JSON: they go with every clip."""
SPLIT: Final = re.compile(SPLIT_NAME, re.ASCII)
"""A plain word, for it names a folder."""
FOLDERS: Final = {"first": label_of, "last": last_folder}
COMPACT: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
SCHEMA: Final = pa.schema(
    {
        "line": pa.int64(),
        "source": pa.binary(),
        "labels": pa.list_(pa.string()),
        "start_ns": pa.int64(),
        "end_ns": pa.int64(),
        "split": pa.string(),
        "extra": pa.string(),
    }
)
"""Annotations: number of the line or element, path or key of the file as written, labels each once,
range (exclusive at its end) from the first frame, split, and the other columns as a JSON object."""


class Mapper:
    """Makes annotations of a file's records.

    Args:
        path: The file, plain or compressed by gzip; may be a pipe.  None for the inputs' paths.
        preset: What the columns mean.
        faults: Takes what is left out, and counts the labels and splits with blanks at their ends.
        classes: The classes there are; None: any.
    """

    def __init__(
        self, path: str | None, preset: Preset, faults: Faults, *, classes: Classes | None = None
    ) -> None:
        self._path = path or "inputs"
        self._format = preset.form.format_of(self._path)
        self._preset = preset
        self._columns = preset.columns
        self._faults = faults
        self._classes = classes
        pattern = preset.columns.label_pattern
        self._find_label = pattern_label(pattern) if pattern else None
        self._without = str.maketrans("", "", preset.columns.label_without or "")

    def place(self, number: int) -> Place:
        """Place of a line or element of the file."""
        return Place(self._path, "element" if self._format == "json" else "line", number)

    def read(self) -> Iterator[pa.Table]:
        """Annotations of the file in its order.

        Yields:
            Tables of ``SCHEMA``.

        Raises:
            UsageError: The file cannot be read or lacks a column, text that names no file is not
                UTF-8, or something is bad and the faults allow nothing.
            EnvironmentFault: Reading fails on the way.
        """
        with TextFile(self._path, InvalidAnnotations) as file:
            match self._format:
                case "json":
                    batches = documented(file, self._preset)
                case "jsonl":
                    batches = line_by_line(file, self._preset)
                case "list":
                    batches = listed(file, self._preset)
                case "csv" | "tsv":
                    batches = delimited(file, self._preset, self._faults)
            yield from map(self.table, batches)
            if file.damage:
                self._faults.add(Fault(self.place(file.line), "cut", file.damage))

    def table(self, batch: Batch) -> pa.Table:
        """Annotations of some records, without those that cannot be used.

        Raises:
            InvalidAnnotations: Text that names no file has a byte that is not UTF-8, or a record
                cannot be used and the faults allow nothing.
        """
        paths = self._paths(batch)
        starts_ns, ends_ns = self._ranges(batch)
        extra = batch.converted(batch.others, _extra, "{}")
        labels = self._labels(batch, paths)
        no_split: tuple[str | None, bool] = (None, False)
        splits = batch.converted(batch.column(self._columns.split), self._split, no_split)
        self._faults.blanks["split"] += sum(is_padded for _, is_padded in splits)
        for number in sorted(batch.faults):
            error = batch.faults[number]
            if isinstance(error, StrayByte):
                raise InvalidAnnotations(f"{self.place(number)}: {error}") from error
            self._faults.add(Fault(self.place(number), error.kind, str(error)))
        split = [name for name, _ in splits]
        values = [batch.numbers, paths, labels, starts_ns, ends_ns, split, extra]
        is_good = [number not in batch.faults for number in batch.numbers]
        return pa.table(values, schema=SCHEMA).filter(pa.array(is_good, pa.bool_()))

    def _paths(self, batch: Batch) -> list[bytes]:
        template, column = self._columns.template, self._columns.path
        if template is not None:
            names = template_columns(template)
            rows = list(zip(*map(batch.column, names), strict=True))

            def path(row: tuple[object, ...]) -> bytes:
                return path_bytes(filled(template, dict(zip(names, row, strict=True))))

            return batch.converted(rows, path, b"")
        values = batch.column(column)
        for index, value in enumerate(values):
            if value is None or value == "":
                have = {name for name, of in batch.columns.items() if of[index] is not None}
                got = ", ".join(map(shown, sorted(have.union(batch.others[index]))[:20]))
                fault = Unfit("columns", f"expected a path in column {column!r}, got {got}")
                batch.faults.setdefault(batch.numbers[index], fault)
        return batch.converted(values, _path, b"")

    def _ranges(self, batch: Batch) -> tuple[list[int | None], list[int | None]]:
        first, last = self._columns.start or "", self._columns.end or ""
        starts, ends = batch.column(self._columns.start), batch.column(self._columns.end)
        starts_ns = batch.converted(starts, lambda value: time_ns(value, first), None)
        ends_ns = batch.converted(ends, lambda value: time_ns(value, last), None)
        for index, (start_ns, end_ns) in enumerate(zip(starts_ns, ends_ns, strict=True)):
            if end_ns is not None and end_ns <= (start_ns or 0):
                got = f"{shown(starts[index])} to {shown(ends[index])}"
                fault = Unfit("time", f"expected an end after the start, got {got}")
                batch.faults.setdefault(batch.numbers[index], fault)
        return starts_ns, ends_ns

    def _labels(self, batch: Batch, paths: Sequence[bytes]) -> list[list[str]]:
        if self._columns.label_folder:
            label_of = FOLDERS[self._columns.label_folder]
            folders = [label_of(os.fsdecode(path).strip()) or "" for path in paths]
            return batch.converted(folders, lambda folder: self._checked_labels([folder]), [])
        none: tuple[list[str], int] = ([], 0)
        found = batch.converted(batch.column(self._columns.label), self._labels_in, none)
        self._faults.blanks["label"] += sum(padded for _, padded in found)
        return [labels for labels, _ in found]

    def _labels_in(self, value: object) -> tuple[list[str], int]:
        """Labels in a value, and how many of them have blanks at their ends."""
        separator = self._columns.label_separator
        texts: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
        if isinstance(value, str) and separator:
            texts = list(value.split(separator))
        plain = [_plain_text("label", each) for each in texts]
        labels = self._checked_labels([text for text, _ in plain])
        return labels, sum(is_padded for _, is_padded in plain)

    def _checked_labels(self, texts: Sequence[str]) -> list[str]:
        labels = list(filter(None, dict.fromkeys(self._label(text) for text in texts if text)))
        _check_size("labels", COMPACT.encode(labels))
        return labels

    def _label(self, text: str) -> str:
        label = text.translate(self._without).strip() if self._without else text
        if self._find_label is not None:
            label = self._find_label(text) or ""
        if len(label) > LONGEST_LABEL:
            reason = f"expected at most {LONGEST_LABEL:,} characters, got {shown(label)}"
            raise Unfit("label", reason)
        return self._classes.label(label) if self._classes is not None and label else label

    def _split(self, value: object) -> tuple[str | None, bool]:
        """Split that a value names, and whether it has blanks at its ends."""
        text, is_padded = ("", False) if value is None else _plain_text("split", value)
        if text and not SPLIT.fullmatch(text):
            what = "a split of at most 32 letters, digits, _ and -"
            raise Unfit("split", f"expected {what}, got {shown(text)}")
        return text or self._preset.split, is_padded


def _path(value: object) -> bytes:
    if value is None or value == "":
        return b""
    if not isinstance(value, str) and type(value) is not int:
        raise Unfit("path", f"expected a path, got {shown(value)}")
    return path_bytes(str(value))


def _plain_text(what: Literal["label", "split"], value: object) -> tuple[str, bool]:
    """Text without blanks at its ends, and whether it had some."""
    if not is_plain(value):
        raise Unfit(what, f"expected text as {what}, got {shown(value)}")
    text = str(value)
    bare = text.strip()
    return printable(utf8(bare)), bare != text


def _extra(others: Mapping[str, object]) -> str:
    """The other columns of a record as a JSON object, keys sorted."""
    text = COMPACT.encode(json_of(others)) if others else "{}"
    _check_size("other columns", text)
    return text


def _check_size(what: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise Unfit(
            "long", f"expected {what} of at most {LONGEST_TEXT:,} characters, got {len(text):,}"
        )
