"""Annotation files in, annotations out, one at a time: the way in to this package.

``read`` reads a file, ``from_paths`` takes the inputs' own paths for data sets without one.
What follows is in ``matching``.
"""

from collections.abc import Iterable, Iterator

from shardmill.annotations.annotation import Annotation, Faults, Place
from shardmill.annotations.classes import Classes
from shardmill.annotations.columns import Mapper
from shardmill.annotations.delimited import Record, delimited, listed
from shardmill.annotations.elements import documented, line_by_line
from shardmill.annotations.form import Preset
from shardmill.contract.errors import InvalidAnnotations
from shardmill.inputs.text_file import TextFile


def read(
    path: str, preset: Preset, faults: Faults, *, classes: Classes | None = None
) -> Iterator[Annotation]:
    """Yield the annotations of a file in its order, in constant memory.

    Args:
        path: The file, plain or compressed by gzip; may be a pipe.
        preset: What it looks like.
        faults: Takes what is left out.
        classes: The classes there are; None: any.

    Raises:
        UsageError: The file cannot be read or lacks a column, the preset contradicts itself, or
            something is bad and ``faults`` allows nothing.
        EnvironmentFault: Reading fails on the way.
    """
    mapper = Mapper(preset, faults, classes=classes)
    with TextFile(path, InvalidAnnotations) as file:
        yield from mapper.annotations(_records(file, preset, mapper, faults))
        if file.damage:
            faults.add(Place(path, "line", file.line), "cut", file.damage)


def _records(file: TextFile, preset: Preset, mapper: Mapper, faults: Faults) -> Iterator[Record]:
    form = preset.form
    match form.format_of(file.path):
        case "json":
            return documented(file, form, faults)
        case "jsonl":
            return line_by_line(file, faults)
        case "list":
            return listed(file, form, faults, needed=mapper.needed)
        case "csv" | "tsv":
            return delimited(file, form, faults, needed=mapper.needed)


def from_paths(
    paths: Iterable[str], preset: Preset, faults: Faults, *, classes: Classes | None = None
) -> Iterator[Annotation]:
    """Yield an annotation for each input, from its own path: a folder that is a class.

    Args:
        paths: The inputs, below the input directory.
        preset: One whose labels come from the path.
        faults: Takes what is left out.
        classes: The classes there are; None: any.

    Raises:
        UsageError: Something is bad and ``faults`` allows nothing.
    """
    records = (
        (Place("inputs", "line", number), {preset.columns.path: path})
        for number, path in enumerate(paths, 1)
    )
    return Mapper(preset, faults, classes=classes).annotations(records)
