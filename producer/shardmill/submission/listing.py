"""Inputs from a list: one path a line, or separated by NUL, as ``find -print0`` writes them.

Whoever writes a list has chosen, so its files need no known suffix.  One that is missing is an
input all the same, and probing gives it its row.  A line that cannot be meant ends the command.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from shardmill.contract.errors import InvalidInput
from shardmill.contract.quantity import printable
from shardmill.contract.roots import STANDARD_INPUT, Roots
from shardmill.submission.scan import Filter, Found, found_at

BLOCK_BYTES: Final = 1 << 20
LONGEST_PATH_BYTES: Final = 1 << 16
"""No system has longer ones; a file without separators is no list."""


def listed(list_file: str, roots: Roots, wanted: Filter) -> Iterator[Found]:
    """Yield the inputs that a list names, as often as it does.

    Args:
        list_file: Path of the list, ``-`` for standard input.
        roots: Paths are relative to them, or absolute and below one of them.
        wanted: Leaves some of them out.

    Raises:
        InvalidInput: The list cannot be read, or a line is no path below the input directory.
    """
    name = "standard input" if list_file == STANDARD_INPUT else list_file
    try:
        with _opened(list_file) as file:
            for number, entry in enumerate(_entries(file, name), start=1):
                if not entry:
                    continue
                path = _below(os.fsdecode(entry), roots)
                if path is None:
                    raise InvalidInput(
                        f"{name}, line {number}: expected a path below {_told(roots)}, got "
                        f"{printable(os.fsdecode(entry))!r:.300}: correct the list"
                    )
                if wanted.wants(path, os.path.basename(path)) or wanted.enters(path):
                    yield found_at(roots.base_of(path), path)
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}") from error


@contextmanager
def _opened(list_file: str) -> Iterator[BinaryIO]:
    if list_file == STANDARD_INPUT:
        yield sys.stdin.buffer
    else:
        with open(list_file, "rb") as file:
            yield file


def _entries(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what stands between separators: NUL if there is one at the beginning, else newlines."""
    block = file.read(BLOCK_BYTES)
    separator = b"\0" if b"\0" in block else b"\n"
    rest = b""
    while block:
        *whole, rest = (rest + block).split(separator)
        for entry in whole:
            yield entry if separator == b"\0" else entry.removesuffix(b"\r")
        if len(rest) > LONGEST_PATH_BYTES:
            raise InvalidInput(
                f"{name}: expected paths separated by newlines or NUL, found "
                f"{len(rest):,} bytes without any: give a list of paths"
            )
        block = file.read(BLOCK_BYTES)
    yield rest


def _below(path: str, roots: Roots) -> str | None:
    """Return a path as it is called in the manifest; None if it does not lie below a root."""
    if "\0" in path or ".." in path.split("/"):
        return None
    path = os.path.normpath(path)
    if os.path.isabs(path):
        for root in roots.paths:
            if path.startswith(os.path.join(root, "")):
                path = os.path.relpath(path, root)
                return f"{os.path.basename(root)}/{path}" if roots.are_named else path
        return None
    if path == "." or not any(path.startswith(top) for _, top in roots.bases):
        return None
    return path


def _told(roots: Roots) -> str:
    names = ", ".join(roots.paths)
    return f"{names}, beginning with the name of one of them" if roots.are_named else names
