"""What a job's summary remarks on although nothing failed."""

from contextlib import closing
from dataclasses import dataclass

import duckdb

from shardmill.contract.quantity import format_count
from shardmill.contract.spec import Spec
from shardmill.report import store


@dataclass(frozen=True, slots=True)
class Remarks:
    """How many inputs are of a kind that users want to know of."""

    small: int
    """Clips of sources smaller than the exact size."""
    files_of_pages: int
    """Files of several still pictures, of which the first is taken."""
    pages: int
    """The pictures in them."""
    changing: int
    """Clips whose display size changes from frame to frame."""

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, spec: Spec) -> "Remarks":
        """Return those of the tables ``files`` and ``file_clips``."""
        exact = spec.sizes.exact
        (found,) = store.ask(
            con,
            store.sql("remarks"),
            fitted=spec.fit is not None,
            width=exact.width if exact else None,
            height=exact.height if exact else None,
        )
        return cls(**found)

    def encode(self, spec: Spec) -> dict[str, int]:
        """Return what ``summary.json`` says of them."""
        return {
            "smaller" if spec.no_upscale else "enlarged": self.small,
            "pages_left_out": self.pages - self.files_of_pages,
            "size_changes": self.changing,
        }

    def sentences(self, spec: Spec) -> list[tuple[str, str]]:
        """Return a word and a sentence on each kind that there is."""
        lines: list[tuple[str, str]] = []
        if self.small and spec.no_upscale:
            clips = format_count(self.small, "clip")
            lines.append(("sizes", f"{clips} smaller than {spec.sizes.exact}: sizes differ"))
        elif self.small:
            clips = format_count(self.small, "clip")
            remedy = "--no-upscale leaves them smaller"
            lines.append(("sizes", f"{clips} enlarged to {spec.sizes.exact}: {remedy}"))
        if self.changing:
            clips = format_count(self.changing, "clip")
            lines.append(("sizes", f"{clips} changing size on the way, fitted to the first frame"))
        if self.pages:
            files = format_count(self.files_of_pages, "file")
            taken = "the first of each is taken"
            lines.append(("pages", f"{files} of several pictures ({self.pages:,} in all): {taken}"))
        return lines


def sentences(out: str) -> list[tuple[str, str]]:
    """Return a word and a sentence on each kind that there is in an output directory.

    Raises:
        UsageError: ``out`` is no output directory.
        DatasetDamaged: The manifest cannot be read.
    """
    spec = store.job_of(out).spec
    with closing(store.open_files(out)) as con:
        return Remarks.of(con, spec).sentences(spec)
