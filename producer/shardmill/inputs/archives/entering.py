"""Archives among the inputs, entered as if they were folders.

Only their lists are read, an entry at a time: a million members need no more memory than one.
"""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import Forbidden, ItemError
from shardmill.contract.location.archive import ZIP, Member, Obstacle, extent_of
from shardmill.contract.location.confinement import open_input
from shardmill.contract.location.roots import Roots
from shardmill.contract.quantity import storable_mtime_ns
from shardmill.inputs.archives.entry import BadArchive, Entry, Stretch
from shardmill.inputs.archives.kind import kind_of
from shardmill.inputs.archives.tar_list import entries_of_tar
from shardmill.inputs.archives.zip_list import entries_of_zip
from shardmill.inputs.scan import Files, Filter, Found, Scanned

MAX_DEPTH: Final = 4
"""Archives in archives that are entered: ImageNet's needs two, hostile ones could go on."""


def entered(inputs: Iterable[Scanned], roots: Roots, wanted: Filter) -> Iterator[Scanned]:
    """Yield inputs, and of each archive that is taken for a folder the inputs in it.

    One that cannot be read to its end is an input itself, behind those in it, so that it has a row.

    Args:
        inputs: Files below the roots.
        roots: The input directories.
        wanted: Tells which archives are entered, and which members are inputs.
    """
    for each in inputs:
        if not wanted.takes_archives:
            yield each
        elif isinstance(each, Files):
            archives = [found for found in each if _is_entered(found, wanted)]
            yield each.without(found.path.rpartition("/")[2] for found in archives)
            for found in archives:
                yield from _members(found, roots, wanted)
        elif _is_entered(each, wanted):
            yield from _members(each, roots, wanted)
        else:
            yield each


def _is_entered(found: Found, wanted: Filter) -> bool:
    return found.size_bytes > 0 and wanted.enters(found.path)


def _members(archive: Found, roots: Roots, wanted: Filter) -> Iterator[Found]:
    try:
        descriptor = open_input(roots.place(archive.path))
    except Forbidden:
        yield archive
        return
    except OSError:
        yield replace(archive, is_unknown=True)  # probing tells what is the matter
        return
    try:
        status = os.fstat(descriptor)
        listing = _Listing(archive.path, storable_mtime_ns(status.st_mtime_ns), wanted)
        whole = Stretch(partial(os.pread, descriptor), 0, status.st_size)
        yield from listing.inputs(whole, archive.path, depth=1)
    except OSError:  # of the drive: what else lies in the archive is unknown
        yield replace(archive, is_unknown=True)
    finally:
        os.close(descriptor)


class _Listing(Struct, frozen=True):
    """What lies in one file, and in the archives in it."""

    archive: str
    mtime_ns: int
    wanted: Filter

    def inputs(self, stretch: Stretch, path: str, *, depth: int) -> Iterator[Found]:
        """Yield the inputs in an archive: the file, or one in it, which has a path too.

        Its content tells what it is.  Its name does only where that begins as no archive: zips may
        have a program in front of them, the oldest tars have no mark.
        """
        kind = kind_of(stretch)
        if kind == "packed":
            yield self._hindered(path, "packed")
            return
        is_zip = kind == "zip" or (kind is None and path.lower().endswith(ZIP))
        obstacle: Obstacle = "foreign" if kind is None else "damaged"
        try:
            for entry in entries_of_zip(stretch) if is_zip else entries_of_tar(stretch):
                obstacle = "damaged"
                yield from self._inputs_of(entry, stretch, path, depth)
        except BadArchive:
            yield self._hindered(path, obstacle)

    def _inputs_of(self, entry: Entry, stretch: Stretch, above: str, depth: int) -> Iterator[Found]:
        name = below(entry.name)
        if not name or any(map(self.wanted.hides, name.split("/"))):
            return
        path = f"{above}/{name}"
        where = Member(self.archive, entry.offset, entry.packed_bytes)
        if entry.obstacle is not None:
            if self.wanted.wants(path, os.path.basename(path)) or self.wanted.enters(path):
                yield self._hindered(path, entry.obstacle)
        elif self.wanted.enters(path):
            yield from self._nested(
                Found(path, entry.size_bytes, self.mtime_ns, where), stretch, depth
            )
        elif self.wanted.wants(path, os.path.basename(path)):
            yield Found(path, entry.size_bytes, self.mtime_ns, where)

    def _nested(self, found: Found, stretch: Stretch, depth: int) -> Iterator[Found]:
        """Yield the inputs in an archive that lies in an archive, if it lies there as it is."""
        assert found.member is not None
        end = stretch.start + stretch.length
        try:
            extent = extent_of(stretch.pread, end, found.member, found.size_bytes)
        except ItemError:
            yield found  # probing finds the same and tells it
            return
        if extent.is_deflated:
            yield self._hindered(found.path, "packed")
        elif depth == MAX_DEPTH:
            yield self._hindered(found.path, "deep")
        else:
            inner = Stretch(stretch.pread, extent.offset, extent.length)
            yield from self.inputs(inner, found.path, depth=depth + 1)

    def _hindered(self, path: str, obstacle: Obstacle) -> Found:
        return Found(path, 0, self.mtime_ns, Member(self.archive, obstacle=obstacle))


def below(name: str) -> str:
    """Return a member's name as a path below its archive, as tar and unzip make one of it.

    What leads out of the archive is left away, up to the last ``..``.
    """
    parts = name.split("/")
    while ".." in parts:
        del parts[: parts.index("..") + 1]
    return "/".join(part for part in parts if part not in ("", "."))
