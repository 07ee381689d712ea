"""Opening inputs: where ``SHARDMILL_ROOTS`` confines a process, only files that lie in a root.

A path below a root may lead out of it by a symbolic link, and may be changed between a look and the
open.  So the open file itself is asked where it lies.  A hard link is a name like any other.
"""

import os
from collections.abc import Iterable, Sequence

from shardmill.contract.errors import Forbidden

_roots: tuple[str, ...] = ()


def confine(roots: Iterable[str]) -> None:
    """Let this process open inputs below some directories alone, from now on.

    Args:
        roots: Their real paths; none lets it open any file.
    """
    global _roots  # noqa: PLW0603 - a property of the process, like its user
    _roots = tuple(roots)


def open_input(path: str) -> int:
    """Return the descriptor of an input or of the archive that holds it, for reading.

    Raises:
        OSError: It cannot be opened.
        Forbidden: It lies outside the roots of this process.
    """
    # A named pipe would block an open for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if _roots and not lies_in(_place_of(descriptor, path), _roots):
        os.close(descriptor)
        raise Forbidden(
            "Expected a file in a directory of SHARDMILL_ROOTS, found a link that leads out of "
            "them: copy the file to where the link is, or add its directory to SHARDMILL_ROOTS."
        )
    return descriptor


def lies_in(place: str, roots: Sequence[str]) -> bool:
    """Tell whether a real path lies in one of some real directories, or is one of them."""
    return any(place == root or place.startswith(os.path.join(root, "")) for root in roots)


def _place_of(descriptor: int, path: str) -> str:
    """Return the real path of an open file; empty where it cannot be told."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # not Linux
        place = os.path.realpath(path)
    try:
        return place if os.path.samestat(os.lstat(place), os.fstat(descriptor)) else ""
    except OSError:
        return ""
