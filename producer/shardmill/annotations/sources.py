"""Which annotation files a job has and how they are read: its options, checked."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from msgspec.structs import fields, replace

from shardmill.annotations import split_and_path
from shardmill.annotations.presets import FAMILIES, PRESETS, Columns, Form, Preset
from shardmill.contract.errors import InvalidAnnotations, UsageError
from shardmill.contract.options.labels import PATTERN_MARK
from shardmill.contract.spec import Spec

Match = Literal["path", "stem"]
_COLUMNS: Final = frozenset(f.name for f in fields(Columns))
_FORM: Final = frozenset(f.name for f in fields(Form)) | {"match"}
_FOLDERS: Final = {"dirs": "first", "last": "last"}


class Source(Struct, frozen=True, kw_only=True):
    """One file of annotations, or the inputs' own paths."""

    path: str | None
    """The file; None for the inputs' paths."""
    preset: Preset
    """What it looks like."""


class Sources(Struct, frozen=True, kw_only=True):
    """All annotations of a job."""

    each: tuple[Source, ...]
    """At least one."""
    match: Match
    """How they name a file."""
    classes: str | None
    """The list of classes."""
    class_order: Literal["label", "code label"]
    """What a line of it holds."""

    def check_files(self) -> None:
        """Check that the files exist.

        Raises:
            InvalidAnnotations: One does not.
        """
        for source in self.each:
            if source.path is not None and not os.path.exists(source.path):
                raise InvalidAnnotations(
                    "expected dirs, last, none, a pattern with (?P<label>...) or a file of "
                    f"annotations as --labels, found no file {source.path!r}: check its name"
                )
        if self.classes is not None and not os.path.exists(self.classes):
            raise InvalidAnnotations(
                f"expected a list of classes as --classes, found no file {self.classes!r}: "
                "check its name"
            )


def sources_of(spec: Spec) -> Sources:
    """Annotations of a job that is annotated.

    Raises:
        UsageError: The options contradict each other, or name what is not known.
    """
    columns, form = _pairs("--columns", spec.columns, _COLUMNS), _pairs("--form", spec.form, _FORM)
    match: Any = form.pop("match", None)
    if match not in {None, *get_args(Match)}:
        raise UsageError(f"expected path or stem as match in --form, got {match!r}")
    named = [split_and_path(word) for word in spec.label_source.files]
    each = [
        Source(path=path, preset=_changed(_preset(spec.preset, path), columns, form, split))
        for split, path in named
    ] or [Source(path=None, preset=_of_paths(spec))]
    return Sources(
        each=tuple(each),
        match=match or each[0].preset.match,
        classes=spec.classes,
        class_order=each[0].preset.class_order,
    )


def _preset(name: str | None, path: str) -> Preset:
    """Preset of a file; some data sets have several, told apart by the files' names."""
    if name is None:
        return PRESETS["columns"]
    for beginning, member in FAMILIES.get(name, {}).items():
        if os.path.basename(path).startswith(beginning):
            return PRESETS[member]
    if name in PRESETS:
        return PRESETS[name]
    if name in FAMILIES:
        names = " or ".join(FAMILIES[name])
        raise UsageError(
            f"expected a file whose name begins with {names} for --preset {name}, got {path!r}: "
            f"name the preset itself, {' or '.join(FAMILIES[name].values())}"
        )
    raise UsageError(
        f"expected one of {', '.join(sorted({*PRESETS, *FAMILIES}))} as --preset, got {name!r}"
    )


def _of_paths(spec: Spec) -> Preset:
    """Preset that makes annotations of the inputs' own paths, for a list of classes."""
    word = spec.labels if isinstance(spec.labels, str) else ""
    if spec.preset is not None:
        preset = _preset(spec.preset, "")
        if preset.columns.label_folder is None or preset.split is not None or word != "dirs":
            raise UsageError(
                f"expected --labels FILE with --preset {spec.preset}, got none: "
                "name the data set's files of annotations"
            )
        return preset
    if word == "none":
        raise UsageError("expected labels for --classes, got --labels none: leave one of them out")
    form = Form(format="list")
    if PATTERN_MARK in word:
        return Preset(form=form, columns=Columns(label="path", label_pattern=word))
    return Preset(form=form, columns=Columns(label_folder=_FOLDERS[word]))  # type: ignore[arg-type]


def _pairs(flag: str, texts: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Read ``name=value,name=value``; a comma in a value is one that no known name follows."""
    names = "|".join(sorted(known))
    pairs: dict[str, str] = {}
    for text in texts:
        for part in re.split(rf",(?=(?:{names})=)", text):
            name, sign, value = part.partition("=")
            if not sign or name not in known or name in pairs:
                raise UsageError(
                    f"expected {flag} as name=value,..., each name once and one of "
                    f"{', '.join(sorted(known))}; got {part!r}"
                )
            pairs[name] = value
    return pairs


def _changed(
    preset: Preset, columns: Mapping[str, str], form: Mapping[str, str], split: str | None
) -> Preset:
    """The preset with the options' own columns and form; an empty value is none at all."""
    mapped: dict[str, Any] = {name: value or None for name, value in columns.items()}
    if mapped.get("path", "") is None:
        raise UsageError("expected a column as path in --columns, got nothing")
    if "path" in mapped:
        mapped.setdefault("template", None)
    if "label" in mapped:
        mapped.setdefault("label_folder", None)
    laid: dict[str, Any] = {name: value or None for name, value in form.items()}
    if "names" in form:
        laid["names"] = tuple(form["names"].split(":"))
    if "inside" in form:
        laid["inside"] = tuple(filter(None, form["inside"].split(".")))
    return replace(
        preset,
        columns=replace(preset.columns, **mapped),
        form=replace(preset.form, **laid),
        split=split or preset.split,
    )
