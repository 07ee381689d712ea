"""How an annotation file is laid out, and what its columns mean; known data sets by name."""

import re
from typing import Final, Literal, get_args

from msgspec import Struct, field

from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options.labels import pattern_label

Format = Literal["csv", "tsv", "json", "jsonl", "list"]
FIELD: Final = re.compile(
    r"(?P<brace>\{\{|\}\})|\{(?P<column>[^{}:]+)(?P<whole>:(?:0(?P<width>[1-9]\d?))?d)?\}|[{}]"
)
"""A brace that is doubled, a column, or a brace that means nothing."""
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "list",
    ".lst": "list",
    ".list": "list",
}
"""File name suffix to format; ``.gz`` behind it is looked through."""
DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


def template_columns(template: str) -> list[str]:
    """Columns that the path of a file is made of: ``{label}/{youtube_id}_{time_start:06d}.mp4``.

    Known are ``{column}``, ``{column:d}`` and ``{column:06d}`` (a whole number, filled up with
    zeros), ``{{`` and ``}}``.  ``str.format`` would let a template reach attributes and ask for a
    width of gigabytes.

    Raises:
        UsageError: The template has a brace or a format that is not known, or names no column.
    """
    fields = list(FIELD.finditer(template))
    if not all(field["brace"] or field["column"] for field in fields):
        raise UsageError(
            f"expected columns in braces, as {{label}}/{{id}}.mp4 or {{start:06d}}, "
            f"got {template!r}: write {{{{ or }}}} for a brace"
        )
    columns = [field["column"] for field in fields if field["column"]]
    if not columns:
        raise UsageError(f"expected a column in braces, as {{id}}.mp4, got {template!r}")
    return columns


class Form(Struct, frozen=True, kw_only=True):
    """How a file is divided into records of named columns; nothing is guessed.

    Raises:
        UsageError: A value is impossible.
    """

    format: Format | None = None
    """None: by the file's suffix."""
    delimiter: str | None = None
    """One character between the columns of ``csv`` and ``tsv``; None: comma or tab."""
    names: tuple[str, ...] | None = None
    """The columns' names where no header tells them.  None: the first line of ``csv`` and ``tsv``
    is the header, and a ``list`` has the one column ``path``."""
    inside: tuple[str, ...] = ()
    """Names that lead from the top of a JSON document to the array or object of annotations."""

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in get_args(Format):
            known = ", ".join(get_args(Format))
            raise UsageError(f"expected one of {known} as format, got {self.format!r}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"expected one character as delimiter, got {self.delimiter!r}")
        if self.names is not None and not (self.names and len(set(self.names)) == len(self.names)):
            raise UsageError(f"expected names of columns, each once, got {self.names!r}")

    def format_of(self, path: str) -> Format:
        """Format of a file.

        Raises:
            InvalidAnnotations: None is set and its suffix is not known.
        """
        if self.format is not None:
            return self.format
        name = path.lower().removesuffix(".gz")
        for suffix, found in SUFFIXES.items():
            if name.endswith(suffix):
                return found
        raise InvalidAnnotations(
            f"expected a name that ends in {', '.join(SUFFIXES)} (and .gz), got {path!r}: "
            "say which format it is"
        )


class Columns(Struct, frozen=True, kw_only=True):
    """Which column means what.  In JSON, ``a.b.0`` reaches into nested objects and arrays.

    A column that is named here must be in a header; one that has its default name need not.

    Raises:
        UsageError: A value is impossible.
    """

    path: str = "path"
    """The file, below the input directory."""
    template: str | None = None
    """Makes the file's path from columns instead: see ``template_columns``."""
    label: str | None = "label"
    """The class; a JSON array holds several.  None: no column is."""
    start: str | None = "start"
    """Start of the range, seconds or ``hh:mm:ss.mmm`` from the first frame."""
    end: str | None = "end"
    """End of the range (exclusive), as ``start``."""
    split: str | None = "split"
    """``train``, ``val``, ``test`` or what else is written there."""
    label_separator: str | None = None
    """What stands between several labels in one text; None: a text is one label."""
    label_without: str | None = None
    """Characters that are taken out of a label's text."""
    label_pattern: str | None = None
    """A regular expression whose group ``label`` is the label in a label's text."""
    label_folder: Literal["first", "last"] | None = None
    """The label is a folder of the path, whatever the columns say."""

    def __post_init__(self) -> None:
        if self.label_separator == "":
            raise UsageError("expected a separator of at least one character, got none")
        if self.label_folder not in {None, "first", "last"}:
            raise UsageError(f"expected first or last as label_folder, got {self.label_folder!r}")
        if self.template is not None:
            template_columns(self.template)
        if self.label_pattern:
            pattern_label(self.label_pattern)

    @property
    def mapped(self) -> set[str]:
        """The columns that have a meaning; the others are carried along."""
        columns = {self.label, self.start, self.end, self.split}
        return {c for c in {*columns, None if self.template else self.path} if c is not None}

    @property
    def needed(self) -> set[str]:
        """The columns that a header must have."""
        needed = set(template_columns(self.template)) if self.template else {self.path}
        meanings = {"start", "end", "split"} | (set() if self.label_folder else {"label"})
        return needed | {c for m in meanings if (c := getattr(self, m)) not in {None, m}}


class Preset(Struct, frozen=True, kw_only=True):
    """What a data set's documentation says of its annotation files."""

    form: Form = field(default_factory=Form)
    """How to take the file apart."""
    columns: Columns = field(default_factory=Columns)
    """What its columns mean."""
    match: Literal["path", "stem"] = "path"
    """How a file is named: by its path below the input directory, or by its stem, the name without
    folder and suffix, wherever it lies."""
    split: str | None = None
    """The split of every annotation that does not name its own."""
    class_order: Literal["label", "code label"] = "label"
    """What a line of the data set's list of classes holds."""


PRESETS: Final[dict[str, Preset]] = {
    "columns": Preset(),  # a file whose columns are called path, label, start, end and split
    "kinetics": Preset(
        # Kinetics: CSV files; videos cut to their ten seconds, named by id and seconds
        form=Form(format="csv"),
        columns=Columns(
            template="{youtube_id}_{time_start:06d}_{time_end:06d}", start=None, end=None
        ),
        match="stem",
    ),
    "kinetics-untrimmed": Preset(
        # Kinetics: CSV files; whole videos, named by id; a clip is cut out of each
        form=Form(format="csv"),
        columns=Columns(template="{youtube_id}", start="time_start", end="time_end"),
        match="stem",
    ),
    "ucf101-train": Preset(
        # UCF101: trainlist01.txt to trainlist03.txt; classes: classInd.txt
        form=Form(format="list", names=("path", "class_number")),
        columns=Columns(label_folder="last"),
        split="train",
        class_order="code label",
    ),
    "ucf101-test": Preset(
        # UCF101: testlist01.txt to testlist03.txt; classes: classInd.txt
        form=Form(format="list"),
        columns=Columns(label_folder="last"),
        split="test",
        class_order="code label",
    ),
    "imagenet": Preset(
        # ImageNet: LOC_train_solution.csv, LOC_val_solution.csv; classes: LOC_synset_mapping.txt
        form=Form(format="csv"),
        columns=Columns(
            path="ImageId", label="PredictionString", label_pattern=r"^(?P<label>n\d{8})\b"
        ),
        match="stem",
        class_order="code label",
    ),
    "imagenet-folders": Preset(
        # ImageNet: a folder a synset, no list; classes: LOC_synset_mapping.txt or words.txt
        form=Form(format="list"),
        columns=Columns(label_folder="last"),
        class_order="code label",
    ),
    "something-something": Preset(
        # Something-Something V2: train.json, validation.json, test.json; classes: labels.json
        form=Form(format="json"),
        columns=Columns(template="{id}", label="template", label_without="[]"),
        match="stem",
    ),
}
"""Name to preset."""

FAMILIES: Final[dict[str, dict[str, str]]] = {
    "ucf101": {"trainlist": "ucf101-train", "testlist": "ucf101-test"},
}
"""Name to the presets of a data set's files, by how the files' names begin."""
