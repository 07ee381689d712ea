"""What an output directory holds that belongs to no committed batch.

Only what shardmill makes is ever named here, by place and by name, and only plain files in the
output directory itself: nothing behind a symbolic link, and nothing that somebody else put there.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shardmill.contract.layout import SUFFIXES, Layout
from shardmill.contract.manifest import shards_of

_STEM: Final = re.compile(r"part-[0-9a-z]+-[0-9a-z]+(\.\d+)?")
_IN_WORK: Final = re.compile(r"(job|classes|summary)\.json\.\d+\.tmp")
_BESIDE: Final = (".arrow", ".idx")
_RESULTS: Final = {"classes.json", "summary.json", "files.parquet", "report.html"}


@dataclass(frozen=True, slots=True)
class Leftover:
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


def find(layout: Layout) -> list[Leftover]:
    """Return what belongs to no committed batch, sorted by place.

    Raises:
        DatasetDamaged: A manifest part cannot be read, so nobody knows what is committed.
    """
    committed = {shard for part in layout.parts() for shard in shards_of(part)}
    stems = {os.path.splitext(shard)[0] for shard in committed}
    parts = [each for each in _parts(layout) if os.path.splitext(each.name)[0] not in stems]
    return sorted([*_in_work(layout), *parts], key=lambda leftover: leftover.path)


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
    return [*rows, *_parts(layout), *_in_work(layout), *results]


def _parts(layout: Layout) -> Iterator[Leftover]:
    for path, suffixes in ((layout.shards, tuple(SUFFIXES.values())), (layout.index, _BESIDE)):
        folder = os.path.basename(path)
        for name, size_bytes in _files(layout, folder):
            stem, suffix = os.path.splitext(name)
            if suffix in suffixes and _STEM.fullmatch(stem):
                yield Leftover(folder, name, size_bytes, "of no committed batch")


def _in_work(layout: Layout) -> Iterator[Leftover]:
    folder = os.path.basename(layout.tmp)
    for name, size_bytes in _files(layout, folder):
        yield Leftover(folder, name, size_bytes, "never finished")
    for name, size_bytes in _files(layout, ""):
        if _IN_WORK.fullmatch(name):
            yield Leftover("", name, size_bytes, "never finished")


def _files(layout: Layout, folder: str) -> Iterator[tuple[str, int]]:
    """Yield name and size of each plain file of a folder that is no link itself."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path = os.path.join(layout.out, folder)
        if folder and os.path.islink(path):
            return
        with os.scandir(path) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield entry.name, status.st_size


def empty_folders(layout: Layout, without: list[Leftover]) -> list[Leftover]:
    """Return the folders of shardmill's own that are empty once some files are gone."""
    gone = {leftover.path for leftover in without}
    found = []
    for path in (layout.shards, layout.index, layout.tmp):
        folder = os.path.basename(path)
        if os.path.islink(path) or not os.path.isdir(path):
            continue
        if all(os.path.join(folder, name) in gone for name in os.listdir(path)):
            found.append(Leftover("", folder, 0, "empty", is_folder=True))
    return found


def remove(layout: Layout, leftovers: list[Leftover]) -> None:
    """Remove what ``find`` and ``empty_folders`` gave; only while nobody else works on it.

    Each folder is opened before anything in it goes, so that none can be swapped for a link.
    """
    for leftover in leftovers:
        flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if leftover.folder else 0)
        with suppress(FileNotFoundError):
            folder = os.open(os.path.join(layout.out, leftover.folder), flags)
            try:
                if leftover.is_folder:
                    os.rmdir(leftover.name, dir_fd=folder)
                else:
                    os.unlink(leftover.name, dir_fd=folder)
            finally:
                os.close(folder)
