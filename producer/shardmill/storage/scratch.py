"""Temporary directories, of which a later process removes those that a killed one left.

A lock (flock) on the directory itself says that its process lives: it ends with the process, and
holds for every PID namespace and container that shares the file system.  Where the file system has
no such locks, a directory that is left stays: it may be in use.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

PREFIX: Final = "shardmill-"
"""How their names begin; their kind and a random word follow."""
_NAME: Final = re.compile(rf"{PREFIX}([a-z]+)-[a-z0-9_]{{8}}")
_SHORT: Final = "/tmp"  # noqa: S108 - mkdtemp makes it ours alone
"""Where sockets go if the usual place's name is too long for one."""
_held: dict[str, int] = {}
"""The directories of this process, with the descriptors that hold their locks."""


def make(kind: str, *, longest_parent: int | None = None) -> str:
    """Make a directory for this process, which calls ``remove`` at the end.

    Args:
        kind: A word of its name.
        longest_parent: Most bytes in the name of the directory that it lies in, where sockets will
            lie in it: the path of a socket has at most 103 bytes on every system.
    """
    parent = tempfile.gettempdir()
    if longest_parent is not None and len(os.fsencode(parent)) > longest_parent:
        parent = _SHORT
    # It gets the name that a sweep looks for only when it is held.
    new = tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent)
    path = os.path.join(parent, f"{PREFIX}{kind}-{new[-8:]}")
    try:
        _held[path] = _opened(new)
        _locks(_held[path], fcntl.LOCK_EX)
        os.rename(new, path)
    except BaseException:
        os.rmdir(new)
        raise
    return path


def remove(path: str) -> None:
    """Remove a directory of this process with all that is in it."""
    shutil.rmtree(path, ignore_errors=True)
    descriptor = _held.pop(path, None)
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def directory(kind: str) -> Iterator[str]:
    """Make a directory, and remove it at the end."""
    path = make(kind)
    try:
        yield path
    finally:
        remove(path)


def own(path: str) -> str | None:
    """Return the directory of this process that a path lies in; None if it lies in none."""
    return next((place for place in _held if path.startswith(os.path.join(place, ""))), None)


def remove_own() -> None:
    """Remove this process's directories: a signal may come before anybody knows of a new one."""
    for path in list(_held):
        remove(path)


def sweep() -> None:
    """Remove the directories of this user that no living process holds."""
    for path in _there():
        with suppress(OSError):
            descriptor = _opened(path)
            try:
                ours = os.fstat(descriptor).st_uid == os.geteuid()
                if ours and _locks(descriptor, fcntl.LOCK_EX):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def living(kind: str) -> list[str]:
    """Return the directories of this kind that living processes of this user hold."""
    return [path for path in _there() if is_living(path, kind)]


def is_living(path: str, kind: str) -> bool:
    """Tell whether a living process of this user holds a directory that only this user can use.

    Nobody else can put anything into such a directory, so what lies in it can be trusted.
    """
    match = _NAME.fullmatch(os.path.basename(path))
    if match is None or match[1] != kind:
        return False
    try:
        descriptor = _opened(path)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        private = stat.S_IMODE(status.st_mode) & 0o077 == 0
        ours = status.st_uid == os.geteuid()
        return private and ours and not _locks(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _there() -> list[str]:
    """Return the paths of all that is called like one of these directories."""
    return [
        os.path.join(parent, name)
        for parent in sorted({tempfile.gettempdir(), _SHORT})
        for name in sorted(os.listdir(parent))
        if _NAME.fullmatch(name)
    ]


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _locks(descriptor: int, kind: int) -> bool:
    """Take a lock if it is free; False if another holds one, or the file system has none."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
