"""What failed, by error class, with examples and what can be done."""

import shlex
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import duckdb

from shardmill.contract.errors import ITEM_ERRORS, ItemError, UsageError
from shardmill.report import store

EXAMPLES: Final = 5
"""How many items of a class are shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """One item that failed."""

    path: str
    """Below the input directory, as printed in the manifest."""
    stage: str | None
    """Where it failed: ``probe`` or ``extract``."""
    message: str | None
    """What was found."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failed items of one error class."""

    error_class: str
    """Why they failed: a name of ``errors.ITEM_ERRORS``."""
    count: int
    """How many there are."""
    remedy: str
    """What a user can do, one sentence."""
    examples: tuple[Example, ...]
    """The first few by path."""
    retry: str
    """The command that tries them again."""


def groups(out: str, error_class: str | None = None) -> list[FailureGroup]:
    """Return the failures of an output directory, the most frequent class first.

    Args:
        out: Output directory.
        error_class: Only this class; None means all.

    Raises:
        UsageError: There is no such class, or ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    if error_class is not None and error_class not in ITEM_ERRORS:
        raise UsageError(f"--class must be one of {', '.join(ITEM_ERRORS)}; got {error_class!r}")
    store.job_of(out)
    with closing(store.open_files(out)) as con:
        return groups_of(con, out, error_class)


def groups_of(
    con: duckdb.DuckDBPyConnection, out: str, error_class: str | None = None
) -> list[FailureGroup]:
    """Return the failures in the table ``files`` of a connection; see ``groups``."""
    found = store.ask(con, store.sql("failures"), only=error_class, examples=EXAMPLES)
    return [
        FailureGroup(
            error_class=row["error_class"],
            count=row["count"],
            remedy=ITEM_ERRORS.get(row["error_class"], ItemError).remedy,
            examples=tuple(Example(**example) for example in row["examples"]),
            retry=f"shardmill retry {shlex.quote(out)} --class {shlex.quote(row['error_class'])}",
        )
        for row in found
    ]
