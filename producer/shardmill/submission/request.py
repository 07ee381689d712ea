"""What is asked for, checked before anything is made."""

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Final

from shardmill.contract.errors import EnvironmentFault, InvalidInput, OutputConflict
from shardmill.contract.job import Goal, Job
from shardmill.contract.spec import CONTENT_VERSION, Spec

FOREIGN_LIMIT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One directory, one spec, one output directory: sound as far as can be told from outside.

    Raises:
        InvalidInput: The input is no readable directory.
        OutputConflict: The output directory lies in the input, or holds something else.
        EnvironmentFault: The output directory cannot be made or written.
    """

    root: str
    """Absolute path of the input directory."""
    out: str
    """Absolute path of the output directory."""
    spec: Spec
    goal: Goal
    overwrite: bool = False
    """Replace another spec's work."""

    def __post_init__(self) -> None:
        if not os.path.exists(self.root):
            raise InvalidInput(f"expected a directory of media files, found nothing at {self.root}")
        if not os.path.isdir(self.root):
            raise InvalidInput(
                f"expected a directory, found a file at {self.root}: give the folder it lies in"
            )
        if not os.access(self.root, os.R_OK | os.X_OK):
            raise InvalidInput(f"{self.root} cannot be read: check its permissions")
        root, out = os.path.realpath(self.root), os.path.realpath(self.out)
        if os.path.commonpath([root, out]) == root:
            raise OutputConflict(
                f"--out {self.out} lies in the input directory, whose files it would join: "
                "give a place outside"
            )
        self._check_out()

    def _check_out(self) -> None:
        if os.path.exists(self.out) and not os.path.isdir(self.out):
            raise OutputConflict(f"expected a directory for --out, found a file at {self.out}")
        nearest = self.nearest_out
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise EnvironmentFault(f"cannot write in {nearest}: check its permissions")
        if not os.path.isdir(self.out):
            return
        before = Job.read(self.out)
        if before is None:
            foreign = [name for name in os.listdir(self.out) if not name.startswith(".")]
            if foreign:
                raise OutputConflict(
                    f"{self.out} holds other files ({', '.join(sorted(foreign)[:FOREIGN_LIMIT])}"
                    "…): give an empty or a new directory"
                )
        elif not self.overwrite:
            self._check_same(before)

    def _check_same(self, before: Job) -> None:
        differences = before.spec.differences(self.spec)
        if before.content_version != CONTENT_VERSION:
            differences.append(
                f"frames of content version {before.content_version} there, {CONTENT_VERSION} here"
            )
        if before.goal != self.goal:
            differences.insert(0, f"{before.goal} there, {self.goal} here")
        if os.path.realpath(before.root) != os.path.realpath(self.root):
            differences.insert(0, f"input {before.root} there, {self.root} here")
        if differences:
            raise OutputConflict(
                f"{self.out} holds another job's work ({'; '.join(differences)}): "
                "give the same options, another --out, or --overwrite"
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
        """Name of the job: the input directory's, and eight digits for the output directory."""
        stem = re.sub(r"[^\w.-]+", "-", os.path.basename(self.root), flags=re.ASCII).strip("-")
        digits = hashlib.blake2b(os.fsencode(self.out), digest_size=4).hexdigest()
        return f"{stem[:40] or 'job'}-{digits}"
