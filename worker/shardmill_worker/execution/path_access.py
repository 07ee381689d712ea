"""Which directories this worker can work in: asked by producers, and before every attempt."""

import os
from collections.abc import Mapping, Sequence

from shardmill.contract.location.archive import is_archive
from shardmill.contract.location.confinement import lies_in


def obstacle(path: str, roots: Sequence[str]) -> str | None:
    """Return what keeps a worker with these roots from a directory, None if nothing does."""
    if not (os.path.isdir(path) or (is_archive(path) and os.path.isfile(path))):
        return f"expected to see the directory {path}, found none: mount it"
    real = os.path.realpath(path)
    if roots and not lies_in(real, roots):
        return f"{path} is outside SHARDMILL_ROOTS of this worker"
    return None


def first_obstacle(marks: Mapping[str, str], roots: Sequence[str]) -> str | None:
    """Return what keeps a worker from the first of some directories that it cannot reach.

    Args:
        marks: Directory to a name in it, which tells it from another one at the same place.
        roots: Directories that the worker may touch; none means any.
    """
    for path, name in marks.items():
        found = obstacle(path, roots)
        if found is None and name and not os.path.lexists(os.path.join(path, name)):
            found = f"finds another directory at {path}, without {name}: mount the same one"
        if found is not None:
            return found
    return None
