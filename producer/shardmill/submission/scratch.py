"""Temporary directories that tell whose they are, so that a killed run's can be swept."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from typing import Final

NAME: Final = re.compile(r"shardmill-(\w+)-(\d+)-")
SHORT: Final = "/tmp"  # noqa: S108 - mkdtemp makes it ours alone
"""Where sockets go if the usual place's name is too long for one."""
LONGEST_PARENT: Final = 60
"""A socket's path has at most 103 bytes on every system; 43 are for directory and socket."""


def make(kind: str, *, sockets: bool = False) -> str:
    """Make a directory for this process; the caller removes it.

    Args:
        kind: Told in its name.
        sockets: Unix sockets will lie in it, so its path must be short.
    """
    parent = tempfile.gettempdir()
    if sockets and len(os.fsencode(parent)) > LONGEST_PARENT:
        parent = SHORT
    return tempfile.mkdtemp(prefix=f"shardmill-{kind}-{os.getpid()}-", dir=parent)


def sweep() -> None:
    """Remove the directories of this user's processes that no longer live."""
    _remove_those_of(lambda pid: not _lives(pid))


def remove_own() -> None:
    """Remove this process's directories: a signal may come before anybody knows of a new one."""
    _remove_those_of(lambda pid: pid == os.getpid())


def _remove_those_of(is_meant: Callable[[int], bool]) -> None:
    for parent in {tempfile.gettempdir(), SHORT}:
        for name in os.listdir(parent):
            match = NAME.match(name)
            if match and is_meant(int(match[2])):
                _remove(os.path.join(parent, name))


def living(kind: str) -> list[str]:
    """Return the directories of this kind that living processes of this user made."""
    found = []
    for parent in {tempfile.gettempdir(), SHORT}:
        for name in sorted(os.listdir(parent)):
            path = os.path.join(parent, name)
            if is_living(path, kind):
                found.append(path)
    return found


def is_living(path: str, kind: str) -> bool:
    """Tell whether a living process of this user made a directory, and only this user can use it.

    Nobody else can put anything into such a directory, so what lies in it can be trusted.
    """
    match = NAME.match(os.path.basename(path))
    if match is None or match[1] != kind or not _lives(int(match[2])):
        return False
    try:
        status = os.lstat(path)
    except OSError:
        return False
    private = stat.S_IMODE(status.st_mode) & 0o077 == 0
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and private


def _remove(path: str) -> None:
    try:
        ours = os.lstat(path).st_uid == os.geteuid()
    except FileNotFoundError:
        return  # another run sweeps too
    if ours:
        shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and nobody has asked for its exit code yet."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return False  # not Linux, or gone just now: the next sweep will tell
