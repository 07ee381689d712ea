"""What failed, by error class, with examples and what can be done."""

import shlex
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import duckdb

from shardmill.contract.errors import ITEM_ERRORS, ItemError, UsageError
from shardmill.report import store

EXAMPLES: Final = 5
"""How many files of a class are shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """One file that failed."""

    path: str
    """Below the input directory, as printed in the manifest."""
    stage: str | None
    """Where it failed: ``probe`` or ``extract``."""
    message: str | None
    """What was found."""
    clip: str = ""
    """Which of its file's clips it is, as in ``clip 3 of 8``; empty if the file is one clip."""

    @property
    def name(self) -> str:
        """The path, with the clip of it."""
        return f"{self.path} {self.clip}" if self.clip else self.path


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failed files of one error class."""

    error_class: str
    """Why they failed: a name of ``errors.ITEM_ERRORS``."""
    count: int
    """How many there are."""
    cause: str
    """What the class means, one sentence."""
    remedy: str
    """What a user can do, one sentence."""
    examples: tuple[Example, ...]
    """The first few by path."""
    retry: str
    """The command that tries them again; empty for files that did not fail."""


def groups(out: str, error_class: str | None = None) -> list[FailureGroup]:
    """Return the failures of an output directory, the most frequent class first.

    Args:
        out: Output directory.
        error_class: Only this class; None means all.

    Raises:
        UsageError: There is no such class, or ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    return _groups(out, error_class, status="failed")


def partial_groups(out: str, error_class: str | None = None) -> list[FailureGroup]:
    """Return the files of which only the frames before their damage are kept, by its class.

    They are ``ok`` and count as such.

    Args:
        out: Output directory.
        error_class: Only this class; None means all.

    Raises:
        UsageError: There is no such class, or ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    return _groups(out, error_class, status="ok")


def _groups(out: str, error_class: str | None, *, status: str) -> list[FailureGroup]:
    """Return the files of one status that name an error class, grouped by it."""
    if error_class is not None and error_class not in ITEM_ERRORS:
        raise UsageError(f"--class must be one of {', '.join(ITEM_ERRORS)}; got {error_class!r}")
    store.job_of(out)
    with closing(store.open_files(out)) as con:
        return groups_of(con, out, error_class, status=status)


def groups_of(
    con: duckdb.DuckDBPyConnection,
    out: str,
    error_class: str | None = None,
    *,
    status: str = "failed",
) -> list[FailureGroup]:
    """Return the same from the table ``files`` of a connection."""
    found = store.ask(
        con, store.sql("failures"), status=status, only=error_class, examples=EXAMPLES
    )
    return [
        FailureGroup(
            error_class=row["error_class"],
            count=row["count"],
            cause=_first_line(ITEM_ERRORS.get(row["error_class"], ItemError)),
            remedy=ITEM_ERRORS.get(row["error_class"], ItemError).remedy,
            examples=tuple(Example(**example) for example in row["examples"]),
            retry=_retry(out, row["error_class"]) if status == "failed" else "",
        )
        for row in found
    ]


def _first_line(kind: type[ItemError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _retry(out: str, error_class: str) -> str:
    return shlex.join(["shardmill", "retry", out, "--class", error_class])
