"""What is asked for, checked before anything is made."""

import hashlib
import os
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct

from shardmill.annotations import check_options
from shardmill.contract.errors import (
    DatasetDamaged,
    EnvironmentFault,
    InvalidInput,
    OutputConflict,
)
from shardmill.contract.location.archive import is_archive
from shardmill.contract.location.roots import Roots
from shardmill.contract.quantity import printable
from shardmill.contract.spec import CONTENT_VERSION, Spec
from shardmill.dataset.job import Goal, Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.leftovers import is_half_written

if TYPE_CHECKING:
    from shardmill.annotations.sources import Sources

FOREIGN_LIMIT: Final = 3
OURS: Final = frozenset(
    {
        *("job.json", "classes.json", "summary.json", "files.parquet", "report.html"),
        *("shards", "index", "manifest"),
    }
)
"""What shardmill makes in an output directory."""


class Request(Struct, frozen=True, kw_only=True):
    """One directory, one spec, one output directory: sound as far as can be told from outside.

    Raises:
        UsageError: What is said of annotations cannot be, or a file of them is missing.
        InvalidInput: The input is no readable directory.
        OutputConflict: The output directory lies in the input, or holds something else.
        EnvironmentFault: The output directory cannot be made or written.
    """

    root: str
    """Absolute path of the input directory, the first if there are several."""
    out: str
    """Absolute path of the output directory."""
    spec: Spec
    goal: Goal
    more_roots: tuple[str, ...] = ()
    """Absolute paths of further input directories."""
    list_file: str | None = None
    """Absolute path of a list of inputs, ``-`` for standard input; None takes what is there."""
    overwrite: bool = False
    """Replace another spec's work."""
    prune: bool = False
    """Remove the rows of files that are gone, however many."""
    retry: tuple[str, ...] = ()
    """Do only the failed items of these error classes; none means all that is missing, changed or
    failed."""

    @property
    def sources(self) -> "Sources | None":
        """The annotations; None if there are none, or if rows have what they said."""
        if self.retry or not self.spec.is_annotated:
            return None
        from shardmill.annotations.sources import sources_of  # most jobs have none

        return sources_of(self.spec)

    def __post_init__(self) -> None:
        check_options(self.spec)
        if self.sources is not None:
            self.sources.check_files()
        for root in self.roots.paths:
            self._check_root(root)
        if self.roots.are_named:
            _check_names(self.roots.paths)
        self._check_out()

    def _check_root(self, root: str) -> None:
        if not os.path.exists(root):
            raise InvalidInput(f"expected a directory of media files, found nothing at {root}")
        is_folder = os.path.isdir(root)
        if not (is_folder or is_archive(root)):
            raise InvalidInput(
                f"expected a directory, a tar or a zip, found another file at {root}: give the "
                "folder it lies in"
            )
        if not os.access(root, os.R_OK | (os.X_OK if is_folder else 0)):
            raise InvalidInput(f"{root} cannot be read: check its permissions")
        if self.spec.sequences and not is_folder:
            raise InvalidInput(
                f"--sequences reads pictures in folders, got the archive {root}: unpack it, or "
                "leave --sequences out"
            )
        real, out = os.path.realpath(root), os.path.realpath(self.out)
        if os.path.commonpath([real, out]) == real:
            raise OutputConflict(
                f"--out {self.out} lies in the input directory, whose files it would join: "
                "give a place outside"
            )

    def _check_out(self) -> None:
        if not _is_text(self.out):
            raise OutputConflict(
                f"expected a path of UTF-8 for --out, got {printable(self.out)}: give another "
                "name, for what reads the tables in it opens no others"
            )
        if os.path.exists(self.out) and not os.path.isdir(self.out):
            raise OutputConflict(f"expected a directory for --out, found a file at {self.out}")
        nearest = self.nearest_out
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise EnvironmentFault(f"cannot write in {nearest}: check its permissions")
        if not os.path.isdir(self.out):
            return
        damage = ""
        try:
            before = Job.read(self.out)
        except DatasetDamaged as error:
            before, damage = None, str(error)
        if before is None:
            self._check_unknown(damage)
        elif not self.overwrite:
            self._check_same(before)

    def _check_unknown(self, damage: str) -> None:
        """Let no job into a directory of others, nor among rows of who knows which spec."""
        layout = Layout(self.out)
        if layout.parts() and not damage:
            damage = f"{layout.job} is missing, so nobody knows how the shards beside it were made"
        if damage and not self.overwrite:
            raise DatasetDamaged(
                f"{damage}; give --overwrite to make everything anew, or another --out"
            )
        names = {name for name in os.listdir(self.out) if not name.startswith(".")}
        if os.path.isdir(layout.manifest) or os.path.isfile(layout.lock):  # a job began here
            names = {name for name in names - OURS if not is_half_written(name)}
        self._refuse(names)

    def _refuse(self, foreign: Iterable[str]) -> None:
        names = sorted(foreign)
        if names:
            raise OutputConflict(
                f"{self.out} holds other files ({', '.join(names[:FOREIGN_LIMIT])}"
                "…): give an empty or a new directory"
            )

    def _check_same(self, before: Job) -> None:
        differences = before.spec.differences(self.spec)
        if before.content_version != CONTENT_VERSION:
            differences.append(
                f"frames of content version {before.content_version} there, {CONTENT_VERSION} here"
            )
        if before.goal != self.goal:
            differences.insert(0, f"{before.goal} there, {self.goal} here")
        if _real(before.roots) != _real(self.roots):
            there, here = ", ".join(before.roots.paths), ", ".join(self.roots.paths)
            differences.insert(0, f"input {there} there, {here} here")
        if differences:
            raise OutputConflict(
                f"{self.out} holds another job's work ({'; '.join(differences)}): "
                "give the same options, another --out, or --overwrite"
            )

    @property
    def roots(self) -> Roots:
        """All input directories."""
        return Roots.of(self.root, *self.more_roots)

    @classmethod
    def of(cls, job: Job, *, retry: tuple[str, ...] = ()) -> Self:
        """Return the request to go on with a job, or to do only its failed items again."""
        return cls(
            root=job.root,
            more_roots=job.more_roots,
            list_file=job.list_file,
            out=job.out,
            spec=job.spec,
            goal=job.goal,
            retry=retry,
        )

    @property
    def why_empty(self) -> str:
        """What to tell if there is no input."""
        if self.list_file is not None:
            return "the list names no file that --include and --exclude leave: give another list"
        return (
            f"{', '.join(self.roots.paths)} holds no media files: give another directory, "
            "--include GLOB for files without a known suffix, or --archives for tar and zip files"
        )

    @property
    def nearest_out(self) -> str:
        """The output directory, or the nearest one above it that is there already."""
        nearest = self.out
        while not os.path.exists(nearest):
            nearest = os.path.dirname(nearest)
        return nearest

    @property
    def name(self) -> str:
        """Name of the job: the input directory's, and eight digits for the output directory.

        Of several directories it is the first by name, so that their order makes no other job.
        """
        first = min(map(os.path.basename, self.roots.paths))
        stem = re.sub(r"[^\w.-]+", "-", first, flags=re.ASCII).strip("-")
        digits = hashlib.blake2b(os.fsencode(self.out), digest_size=4).hexdigest()
        return f"{stem[:40] or 'job'}-{digits}"


def _real(roots: Roots) -> tuple[str, ...]:
    """Return where roots really are, and what they are called where that is part of the paths."""
    places = sorted(os.path.realpath(path) for path in roots.paths)
    names = sorted(map(os.path.basename, roots.paths)) if roots.are_named else []
    return *places, *names


def _check_names(roots: tuple[str, ...]) -> None:
    """See that each root has a name of its own and none holds another."""
    names: dict[str, str] = {}
    for root in roots:
        name = os.path.basename(root)
        if not name or name in names:
            raise InvalidInput(
                "expected directories of different names, for paths begin with them, got "
                f"{names.get(name, root)} and {root}: link to one under another name, "
                "as in `ln -s DIR OTHER`"
            )
        names[name] = root
    places = sorted((os.path.join(os.path.realpath(root), ""), root) for root in roots)
    for (place, root), (other, inside) in pairwise(places):
        if other.startswith(place):
            raise InvalidInput(
                f"expected directories that lie apart, {inside} lies in {root}: give the outer one"
            )


def _is_text(path: str) -> bool:
    """Tell whether a path is UTF-8: Python keeps other bytes as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in path)
