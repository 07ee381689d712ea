"""Other people's annotation files, read in batches of columns and joined with the inputs.

Here is what every job needs; what only a job with annotations needs is loaded for it.
"""

import os
import re
from dataclasses import replace
from typing import Final

from shardmill.contract.errors import UsageError
from shardmill.contract.options.split import SPLIT_NAME
from shardmill.contract.spec import Spec

_OF_SPLIT: Final = re.compile(rf"(?P<split>{SPLIT_NAME})=(?P<path>.+)", re.ASCII | re.DOTALL)


def check_options(spec: Spec) -> None:
    """Check that options about annotations come with some.

    Raises:
        UsageError: They do not.
    """
    if (spec.columns or spec.form) and not spec.label_source.files:
        raise UsageError(
            "--columns and --form tell of files of annotations: give --labels FILE too"
        )
    if (spec.strict or spec.keep_unannotated) and not spec.is_annotated:
        raise UsageError(
            "--strict and --keep-unannotated are about annotations: give --labels FILE too"
        )


def with_absolute_paths(spec: Spec) -> Spec:
    """The same spec with files that are found from any working directory."""
    named = [split_and_path(word) for word in spec.label_source.files]
    words = tuple(
        os.path.abspath(path) if split is None else f"{split}={os.path.abspath(path)}"
        for split, path in named
    )
    classes = spec.classes and os.path.abspath(spec.classes)
    return replace(spec, labels=words or spec.labels, classes=classes)


def split_and_path(word: str) -> tuple[str | None, str]:
    """Split that a file of ``--labels`` is about, None for no certain one, and the file."""
    found = _OF_SPLIT.fullmatch(word)
    return (found["split"], found["path"]) if found else (None, word)
