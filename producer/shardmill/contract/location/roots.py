"""The input directories of a job, and where the path of an input lies.

With one directory, paths are relative to it.  With several they begin with the own name of
theirs, so that what is called alike below two of them stays apart.  An archive may stand for a
directory; what lies in it has paths that begin with its name.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from shardmill.contract.location.archive import is_archive

STANDARD_INPUT: Final = "-"
"""The name of a list that is read from standard input."""


class Inputs(Struct, frozen=True):
    """What a job is to take: several directories, or what a list names in them."""

    directories: tuple[str | Path, ...]
    """Input directories, of different names, or archives."""
    list_file: str | Path | None = None
    """File of paths below them, ``-`` for standard input; None takes what is there."""
    prune: bool = False
    """Of files that an earlier run found and that are gone, remove the rows however many they
    are: where it is more than a tenth, a drive may be away."""

    @property
    def words(self) -> list[str]:
        """The words of a command that name them."""
        listed = [] if self.list_file is None else ["--list", str(self.list_file)]
        return [*map(str, self.directories), *listed]


@dataclass(frozen=True)
class Roots:
    """Input directories or archives: one, or several of different names."""

    paths: tuple[str, ...]
    """Absolute paths."""

    @classmethod
    def of(cls, *paths: str) -> "Roots":
        """Return the roots at these paths."""
        return cls(paths)

    @cached_property
    def are_named(self) -> bool:
        """Whether paths begin with the name of their root."""
        return len(self.paths) > 1 or is_archive(self.paths[0])

    @cached_property
    def bases(self) -> tuple[tuple[str, str], ...]:
        """For each root, what its paths are joined to, and how they all begin."""
        if not self.are_named:
            return tuple((path, "") for path in self.paths)
        return tuple((above, f"{name}/") for above, name in map(os.path.split, self.paths))

    def base_of(self, path: str) -> str:
        """Return the directory that the path of an input is joined to.

        A path that begins with no root's name is none of ours; it must not lead beside a root.
        """
        return next((base for base, top in self.bases if _is_of(path, top)), self.paths[0])

    def place(self, path: str) -> str:
        """Return where an input lies."""
        return os.path.join(self.base_of(path), path)

    def below(self, path: str) -> str:
        """Return the path of an input as seen from its own root."""
        return path.partition("/")[2] if self.are_named else path


def _is_of(path: str, top: str) -> bool:
    """Tell whether a path lies below a root, or is the root, an archive."""
    return path.startswith(top) or (f"{path}/" == top and is_archive(path))
