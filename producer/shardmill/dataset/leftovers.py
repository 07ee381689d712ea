"""What an output directory holds that belongs to no committed batch, and how it goes.

Whoever is killed leaves some: a worker its attempt's directory and shards that no manifest part
names, the end of a job a table or a summary half written.  Only what shardmill makes is ever
named here, by place and by name, and only plain files in the output directory itself: nothing
behind a symbolic link, and nothing that somebody else put there.
"""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from errno import ENOTEMPTY
from typing import Final

from msgspec import Struct

from shardmill.contract.options.split import SPLIT_NAME
from shardmill.dataset.layout import SUFFIXES, Layout
from shardmill.storage import files

_TMP: Final = os.path.basename(Layout("").tmp)
_WORK: Final = os.path.basename(Layout("").work)
_RUN: Final = re.compile(r"[0-9a-f]{8}")
_STEM: Final = re.compile(r"part-[0-9a-z]+-(?P<attempt>[0-9a-z]+)(\.\d+)?")
_ATTEMPT: Final = re.compile(r"[0-9a-z]+-(?P<attempt>[0-9a-z]+)")
_IN_WORK: Final = re.compile(r"(job|classes|summary)\.json\.[0-9a-f]{16}\.tmp|\.try-[0-9a-f]{16}")
_AT_THE_END: Final = re.compile(r"summary\.json\.[0-9a-f]{16}\.tmp|files-[0-9a-f]{32}\.parquet")
_BESIDE: Final = (".arrow", ".idx")
_RESULTS: Final = {"classes.json", "summary.json", "files.parquet", "report.html"}


class Leftover(Struct, frozen=True):
    """One file, or one empty folder, that is of no use."""

    folder: str
    """Where it lies, below the output directory; empty for the directory itself."""
    name: str
    """Its name there."""
    size_bytes: int
    """Its size; 0 for a folder."""
    why: str
    """What it is, in a few words."""
    is_folder: bool = False

    @property
    def path(self) -> str:
        """Below the output directory."""
        return os.path.join(self.folder, self.name)


def end_attempts(layout: Layout) -> None:
    """Let no attempt that is at work commit any more, for nobody knows of it: take its directory.

    Redis may have lost a job whose workers have not heard of it.  What is left over can be told
    only when no more is committed; and a rename, unlike removing file by file, is over at once.
    """
    names = [each for each in _folders(layout, _TMP) if _ATTEMPT.fullmatch(each)]
    if not names:
        return
    taken = f"ended-{secrets.token_hex(8)}"
    tmp = os.open(layout.tmp, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        files.make_directory(taken, dir_fd=tmp)
        for name in names:
            with suppress(FileNotFoundError):  # it has ended by itself
                os.rename(name, os.path.join(taken, name), src_dir_fd=tmp, dst_dir_fd=tmp)
    finally:
        os.close(tmp)


def find(layout: Layout, *, run: str = "") -> list[Leftover]:
    """Return what belongs to no committed batch, sorted by place.

    Args:
        layout: The output directory.
        run: Only what attempts of this run left, and whoever tried to end it; empty means all.
            A run that has ended must not touch the files of the next.

    Raises:
        DatasetDamaged: A manifest part cannot be read, so nobody knows what is committed.
    """
    parts = orphans(layout, _committed(layout), run=run)
    return sorted([*_in_work(layout, run), *parts], key=lambda leftover: leftover.path)


def orphans(layout: Layout, committed: set[str], *, run: str = "") -> list[Leftover]:
    """Return the files of shards and indexes that belong to none of the committed shards.

    Args:
        layout: The output directory.
        committed: Names of the shards that manifest parts name.
        run: As for ``find``.
    """
    stems = {os.path.splitext(shard)[0] for shard in committed}
    return [each for each in _parts(layout, run) if _stem(each) not in stems]


def everything(layout: Layout) -> list[Leftover]:
    """Return every file of whatever job was done there; ``job.json`` is left to the next one."""
    manifest = os.path.basename(layout.manifest)
    rows = [
        Leftover(manifest, os.path.basename(path), 0, "rows")
        for path in layout.parts()
        if os.path.isfile(path) and not os.path.islink(layout.manifest)
    ]
    results = [
        Leftover("", name, size_bytes, "of the whole job")
        for name, size_bytes in _files(layout, "")
        if name in _RESULTS
    ]
    return [*rows, *_parts(layout, ""), *_in_work(layout, ""), *results]


def is_half_written(name: str) -> bool:
    """Tell whether a file of the output directory itself is one whose writer died."""
    return _IN_WORK.fullmatch(name) is not None


def _committed(layout: Layout) -> set[str]:
    """Return the shards that manifest parts name."""
    parts = layout.parts()
    if not parts:
        return set()
    from shardmill.dataset.manifest import shards_of  # which brings Arrow

    return {shard for part in parts for shard in shards_of(part)}


def _stem(part: Leftover) -> str:
    """Return how the shard is called that a file is or belongs to, without suffix."""
    _, _, split = part.folder.partition("/")
    return os.path.join(split, os.path.splitext(part.name)[0])


def _parts(layout: Layout, run: str) -> Iterator[Leftover]:
    for path, suffixes in ((layout.shards, tuple(SUFFIXES.values())), (layout.index, _BESIDE)):
        top = os.path.basename(path)
        for folder in (top, *(os.path.join(top, split) for split in _splits(layout, top))):
            for name, size_bytes in _files(layout, folder):
                stem, suffix = os.path.splitext(name)
                if suffix in suffixes and _is_of(run, _STEM.fullmatch(stem)):
                    yield Leftover(folder, name, size_bytes, "of no committed batch")


def _is_of(run: str, named: re.Match[str] | None) -> bool:
    return named is not None and named["attempt"].endswith(run)


def _splits(layout: Layout, folder: str) -> list[str]:
    return [name for name in _folders(layout, folder) if re.fullmatch(SPLIT_NAME, name)]


def _in_work(layout: Layout, run: str) -> Iterator[Leftover]:
    for name in _folders(layout, _TMP):
        if _is_of(run, _ATTEMPT.fullmatch(name)):
            yield from _tree(layout, _TMP, name)
    for name in _folders(layout, _WORK):
        if name == run or (not run and _RUN.fullmatch(name)):
            yield from _tree(layout, _WORK, name, why="a table of what was to do")
    for name, size_bytes in _files(layout, _TMP):
        if not run or _AT_THE_END.fullmatch(name):
            yield Leftover(_TMP, name, size_bytes, "never finished")
    for name, size_bytes in _files(layout, ""):
        if (_AT_THE_END if run else _IN_WORK).fullmatch(name):
            yield Leftover("", name, size_bytes, "never finished")


def _tree(
    layout: Layout, folder: str, name: str, *, why: str = "never finished"
) -> Iterator[Leftover]:
    """Yield all that is in a folder, and the folder."""
    inside = os.path.join(folder, name)
    for file, size_bytes in _files(layout, inside):
        yield Leftover(inside, file, size_bytes, why)
    for below in _folders(layout, inside):
        yield from _tree(layout, inside, below, why=why)
    yield Leftover(folder, name, 0, why, is_folder=True)


def _files(layout: Layout, folder: str) -> Iterator[tuple[str, int]]:
    """Yield name and size of each plain file of a folder that is no link itself."""
    for name, status in _entries(layout, folder):
        if stat.S_ISREG(status.st_mode):
            yield name, status.st_size


def _folders(layout: Layout, folder: str) -> list[str]:
    """Return the names of the folders, links left out, in a folder that is no link itself."""
    return [name for name, found in _entries(layout, folder) if stat.S_ISDIR(found.st_mode)]


def _entries(layout: Layout, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    path = os.path.join(layout.out, folder)
    if folder and os.path.islink(path):
        return
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # whoever made it may be removing it
                yield entry.name, entry.stat(follow_symlinks=False)


def empty_folders(layout: Layout, without: list[Leftover]) -> list[Leftover]:
    """Return the folders of splits that are empty once some files are gone.

    Those that every output directory has belong to it, empty or not.
    """
    gone = {leftover.path for leftover in without}
    tops = [os.path.basename(path) for path in (layout.shards, layout.index)]
    found: list[Leftover] = []
    for folder in (os.path.join(top, split) for top in tops for split in _splits(layout, top)):
        names = os.listdir(os.path.join(layout.out, folder))
        if all(os.path.join(folder, name) in gone for name in names):
            found.append(Leftover(*os.path.split(folder), 0, "empty", is_folder=True))
    return found


def remove(layout: Layout, leftovers: list[Leftover]) -> None:
    """Remove what ``find`` and ``empty_folders`` gave, once no attempt at it can commit any more.

    Each folder is opened before anything in it goes, so that none can be swapped for a link.
    """
    for leftover in sorted(leftovers, key=lambda each: (each.is_folder, -each.path.count("/"))):
        flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if leftover.folder else 0)
        with suppress(FileNotFoundError):
            folder = os.open(os.path.join(layout.out, leftover.folder), flags)
            try:
                _remove(leftover, folder)
            finally:
                os.close(folder)


def _remove(leftover: Leftover, folder: int) -> None:
    if not leftover.is_folder:
        os.unlink(leftover.name, dir_fd=folder)
        return
    try:
        os.rmdir(leftover.name, dir_fd=folder)
    except OSError as error:
        if error.errno != ENOTEMPTY:  # somebody put a file of his own there
            raise
