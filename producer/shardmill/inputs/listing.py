"""Inputs from a list: one path a line, or separated by NUL, as ``find -print0`` writes them.

Whoever writes a list has chosen, so its files need no known suffix.  One that is missing is an
input all the same, and probing gives it its row.  A line that names nothing below the input
directories ends the command.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

from shardmill.contract.errors import InvalidInput
from shardmill.contract.location.roots import Roots
from shardmill.contract.quantity import format_count, printable
from shardmill.inputs.scan import Filter, Found, found_at
from shardmill.inputs.sequences import named_sequences
from shardmill.inputs.text_file import TextFile

LONGEST_PATH: Final = 1 << 16
"""Characters.  No system has longer paths; a file without separators is no list."""


def listed(
    list_file: str,
    roots: Roots,
    wanted: Filter,
    note: Callable[[str], None],
    *,
    sequences_hz: float | None = None,
) -> Iterator[Found]:
    """Yield the inputs that a list names, as often as it does.

    Args:
        list_file: Path of the list, ``-`` for standard input.
        roots: Paths are relative to them, or absolute and below one of them.
        wanted: Leaves some of them out.
        note: Receives a sentence if paths had blanks at their ends that were stripped.
        sequences_hz: At how many a second the numbers of image sequences count; a folder then
            stands for those in it, and a sequence goes by its name.  None takes files alone.

    Raises:
        InvalidInput: The list cannot be opened or is damaged, or a line is no path below the input
            directories.
        EnvironmentFault: Reading fails on the way.
    """
    padded = 0
    with TextFile(list_file, InvalidInput) as file:
        for number, name in file.names():
            if name is None or len(name) > LONGEST_PATH:
                raise InvalidInput(
                    f"{file.path}: expected paths separated by newlines or NUL, found more than "
                    f"{LONGEST_PATH:,} characters without any: give a list of paths"
                )
            if not name or (name.isspace() and not _is_there(name, roots)):
                continue
            path, is_padded = _meant(name, roots)
            if path is None:
                raise InvalidInput(
                    f"{file.path}, line {number}: expected a path below {_told(roots)}, got "
                    f"{printable(name)!r:.300}: correct the list"
                )
            padded += is_padded
            yield from _inputs_at(path, roots, wanted, sequences_hz)
        if file.damage:
            raise InvalidInput(f"{file.path}: expected a whole list, but {file.damage}")
    if padded:
        note(f"blanks stripped at the ends of {format_count(padded, 'path')} in {file.path}")


def _inputs_at(
    path: str, roots: Roots, wanted: Filter, sequences_hz: float | None
) -> Iterator[Found]:
    """Yield the wanted inputs that a path stands for: a file, or the sequences of a folder."""
    base = roots.base_of(path)
    sequences = named_sequences(base, path, sequences_hz) if sequences_hz else []
    for found in sequences or [found_at(base, path)]:
        if wanted.wants(found.path, os.path.basename(found.path)) or wanted.enters(found.path):
            yield found


def _meant(name: str, roots: Roots) -> tuple[str | None, bool]:
    """Return the path that a line means, and whether it is the line without blanks at its ends.

    Blanks are part of the path if a file has it, or if none has the path without them.
    """
    path, bare = _below(name, roots), name.strip()
    if bare == name or _is_there(path, roots):
        return path, False
    stripped = _below(bare, roots)
    return (stripped, True) if _is_there(stripped, roots) else (path, False)


def _is_there(path: str | None, roots: Roots) -> bool:
    return path is not None and os.path.lexists(roots.place(path))


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
