"""Temporary directories that tell whose they are, so that a killed run's can be swept."""

import os
import re
import shutil
import tempfile
from typing import Final

NAME: Final = re.compile(r"shardmill-\w+-(\d+)-")


def make(kind: str) -> str:
    """Make a directory for this process; the caller removes it."""
    return tempfile.mkdtemp(prefix=f"shardmill-{kind}-{os.getpid()}-")


def sweep() -> None:
    """Remove the directories of this user's processes that no longer live."""
    parent = tempfile.gettempdir()
    for name in os.listdir(parent):
        match = NAME.match(name)
        path = os.path.join(parent, name)
        if match and not _lives(int(match[1])) and os.lstat(path).st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
