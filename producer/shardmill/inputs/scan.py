"""Enumeration: every media file below a directory; of the tree no more is held than the way back.

No file is opened here; what a file is, probing finds out.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from errno import ENOENT, ENOTDIR
from fnmatch import translate
from stat import S_ISREG
from typing import Any, Final

from msgspec import Struct

from shardmill.contract.errors import InvalidInput
from shardmill.contract.location.archive import Member, is_archive
from shardmill.contract.location.image_sequence import ImageSequence
from shardmill.contract.quantity import printable, storable_mtime_ns
from shardmill.contract.schema import Item

VIDEO_SUFFIXES: Final = frozenset(
    """
    264 265 266 3g2 3gp amv asf avi avs bik cavs divx drc dv evo f4v flv gifv gxf h261 h263
    h264 h265 hevc insv ismv ivf lrv m1v m2p m2t m2ts m2v m4s m4v mjpeg mjpg mk3d mkv mod mov
    mp4 mpe mpeg mpg mpv mts mxf nsv nut obu ogg ogm ogv ogx qt rm rmvb roq tod trp ts tts viv
    vob vro webm wmv wtv xmv y4m
    """.split()
)
IMAGE_SUFFIXES: Final = frozenset(
    """
    apng avif avifs bmp dds dib dpx exr fits gif hdr heic heics heif heifs hif ico j2c j2k
    jfif jp2 jpc jpe jpeg jpf jpg jpx jxl mpo pam pbm pcx pfm pgm phm png pnm ppm psd qoi sgi
    tga tif tiff wbmp webp xwd
    """.split()
)
MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | IMAGE_SUFFIXES


_MOST_KINDS: Final = 1000
"""Of so many suffixes it is counted how many files have them; names are somebody else's."""
_KINDS_TOLD: Final = 5
_CHUNK_FILES: Final = 4096
"""Files of one folder that are in memory at a time."""

Place = tuple[int, int]
"""Device and inode of a folder."""


class Found(Struct, frozen=True):
    """A file below the input directory, or an image sequence."""

    path: str
    """Below the input directory, with ``/``."""
    size_bytes: int
    mtime_ns: int
    member: Member | None = None
    """Where in an archive it lies; None for a file of its own."""
    sequence: ImageSequence | None = None
    """The image sequence whose folder and name are the path; None for a file."""
    is_unknown: bool = False
    """True for a file or folder that could not be looked at now: rows of it and below it stay."""

    @property
    def file(self) -> str:
        """Path of the file that its bytes lie in."""
        return self.path if self.member is None else self.member.archive

    @property
    def source(self) -> str:
        """Path that folder labels, annotations and splits use: of a sequence, its folder."""
        return source_of(self.path, is_sequence=self.sequence is not None)

    def item(self, **more: Any) -> Item:
        """Return it as an item, with more of its fields."""
        where = {} if self.member is None else self.member.fields()
        if self.sequence is not None:
            where = self.sequence.fields()
        return Item(
            path=self.path, size_bytes=self.size_bytes, mtime_ns=self.mtime_ns, **where, **more
        )


class Files(Struct, frozen=True):
    """Some files of one folder, in columns; none of them is an archive that is entered."""

    folder: str
    """Below the input directory, with ``/`` at its end; empty for the input directory itself."""
    names: list[str]
    sizes_bytes: list[int]
    mtimes_ns: list[int]

    @property
    def paths(self) -> list[str]:
        """Paths below the input directory."""
        folder = self.folder
        return [folder + name for name in self.names]

    def without(self, names: Iterable[str]) -> "Files":
        """Return the same without some of the files."""
        gone = set(names)
        kept = [place for place, name in enumerate(self.names) if name not in gone]
        return Files(
            self.folder,
            [self.names[place] for place in kept],
            [self.sizes_bytes[place] for place in kept],
            [self.mtimes_ns[place] for place in kept],
        )

    def __iter__(self) -> Iterator[Found]:
        for path, size, mtime in zip(self.paths, self.sizes_bytes, self.mtimes_ns, strict=True):
            yield Found(path, size, mtime)


Scanned = Files | Found
"""Files of one folder, or one input of another kind."""


def one_by_one(inputs: "Iterable[Scanned]") -> Iterator[Found]:
    """Yield each input as a value."""
    for each in inputs:
        if isinstance(each, Files):
            yield from each
        else:
            yield each


class Filter:
    """Which paths are inputs.

    A glob without ``/`` is held against the file's name, one with ``/`` against the whole path
    below the input directory, where ``*`` also crosses folders.  An archive that is taken for a
    folder is excluded as one.
    """

    def __init__(
        self,
        include: tuple[str, ...],
        exclude: tuple[str, ...],
        *,
        hidden: bool = False,
        archives: bool = False,
        sequences: bool = False,
    ) -> None:
        self._include = [_matcher(glob) for glob in include]
        self._exclude = [_matcher(glob) for glob in exclude]
        self._hidden = hidden
        self._archives = archives
        self._sequences = sequences
        self._others: Counter[str] = Counter()
        self._takes_any = False
        self.takes_archives = archives
        """Whether archives are taken for folders."""

    def left_out(self) -> str | None:
        """Return how many files were passed over for their suffix, as a sentence.

        None for none, and where nothing else was found: that is said otherwise.
        """
        count = self._others.total()
        if not count or not self._takes_any:
            return None
        kinds = self._others.most_common(_KINDS_TOLD)
        told = ", ".join(f"{kind} {number:,}" for kind, number in kinds)
        more = ", …" if len(self._others) > len(kinds) else ""
        files = "1 file of another kind" if count == 1 else f"{count:,} files of other kinds"
        return f"{files} left out ({told}{more}): --include takes them"

    def hides(self, name: str) -> bool:
        """Tell whether a file or folder is passed over because its name begins with a dot."""
        return name.startswith(".") and not self._hidden

    def enters(self, path: str) -> bool:
        """Tell whether a file is an archive that is taken for a folder."""
        return self._archives and is_archive(path) and not self.leaves_out_folder(f"{path}/")

    def wants(self, path: str, name: str) -> bool:
        """Tell whether a file is an input, or a picture that may belong to a sequence."""
        return (self._sequences and suffix(name) in IMAGE_SUFFIXES) or self.is_input(path, name)

    def is_input(self, path: str, name: str) -> bool:
        """Tell whether a file, or a sequence of that name, is an input."""
        if self._exclude and self.excludes(path, name):
            return False
        if self._include:
            return any(matches(path, name) for matches in self._include)
        if suffix(name) in MEDIA_SUFFIXES:
            self._takes_any = True
            return True
        if not self.enters(path):
            kind = f".{printable(suffix(name))}" if suffix(name) else "without suffix"
            is_counted = kind in self._others or len(self._others) < _MOST_KINDS
            self._others[kind if is_counted else "others"] += 1
        return False

    def excludes(self, path: str, name: str) -> bool:
        """Tell whether a glob leaves a file or sequence out."""
        return any(matches(path, name) for matches in self._exclude)

    def leaves_out_folder(self, folder: str) -> bool:
        """Tell whether nothing below a folder, given with ``/`` at its end, can be an input."""
        name = os.path.basename(folder[:-1])
        return any(
            matches(path, name) for matches in self._exclude for path in (folder, folder[:-1])
        )


def _matcher(glob: str) -> Callable[[str, str], bool]:
    pattern = re.compile(translate(glob))
    if "/" in glob:
        return lambda path, name: pattern.match(path) is not None  # noqa: ARG005
    return lambda path, name: pattern.match(name) is not None  # noqa: ARG005


def source_of(path: str, *, is_sequence: bool) -> str:
    """Return the path that folder labels, annotations and splits use for an input."""
    return path.rpartition("/")[0] if is_sequence else path


def suffix(name: str) -> str:
    """Return a file name's suffix in lower case, without the dot."""
    head, dot, tail = name.rpartition("/")[2].rpartition(".")
    return tail.lower() if dot and head.strip(".") else ""


def scan(
    base: str, wanted: Filter, on_unreadable: Callable[[str], None], *, top: str = ""
) -> Iterator[Scanned]:
    """Yield the inputs of a directory, folder by folder, in the order of the file system.

    Archives that are taken for folders are yielded as the files that they are.

    Symbolic links are followed; a link to a folder that holds it is not entered again.  What
    cannot be read is an input all the same, of size 0, so that probing gives it its row:
    a file, and a folder whose files nobody can name.

    Args:
        base: Directory that paths are relative to.
        wanted: Tells inputs from other files.
        on_unreadable: Called with one sentence for each folder or file that cannot be read.
        top: Where the input directory lies below ``base``, with ``/`` at its end; empty for
            ``base`` itself.

    Raises:
        InvalidInput: The input directory itself cannot be read.
    """
    root = os.path.join(base, top)
    try:
        home = os.stat(root)
    except OSError as error:
        raise InvalidInput(f"{root} cannot be read: {error.strerror}") from error
    stack: list[tuple[str, tuple[Place, ...]]] = [(top, ((home.st_dev, home.st_ino),))]
    while stack:
        folder, above = stack.pop()
        try:
            for seen in _entries(base, folder, wanted, on_unreadable):
                if not isinstance(seen, _Folder):
                    yield seen
                elif seen.place not in above:
                    stack.append((f"{seen.path}/", (*above, seen.place)))
        except OSError as error:
            if folder == top:
                raise InvalidInput(f"{root} cannot be read: {error.strerror}") from error
            on_unreadable(f"folder {folder} cannot be read: {error.strerror}")
            if not wanted.leaves_out_folder(folder):
                yield _not_seen(folder.rstrip("/"), error)


class _Folder(Struct, frozen=True):
    """A folder that is still to be entered."""

    path: str
    place: Place


def _entries(
    base: str, folder: str, wanted: Filter, on_unreadable: Callable[[str], None]
) -> Iterator[Scanned | _Folder]:
    """Yield the folders in a folder, its inputs a chunk at a time, and what cannot be looked at."""
    names: list[str] = []
    sizes: list[int] = []
    mtimes: list[int] = []
    with os.scandir(os.path.join(base, folder)) as entries:
        for entry in entries:
            name = entry.name
            if wanted.hides(name):
                continue
            path = folder + name
            try:
                if entry.is_dir():
                    status = entry.stat()
                    yield _Folder(path, (status.st_dev, status.st_ino))
                elif wanted.wants(path, name) or wanted.enters(path):
                    status = entry.stat()
                    if S_ISREG(status.st_mode):
                        names.append(name)
                        sizes.append(status.st_size)
                        mtimes.append(status.st_mtime_ns)
            except OSError as error:
                on_unreadable(f"{path} cannot be read: {error.strerror}")
                if _would_hold_inputs(entry, path, wanted):
                    yield _not_seen(path, error)
            if len(names) == _CHUNK_FILES:
                yield Files(folder, names, sizes, list(map(storable_mtime_ns, mtimes)))
                names, sizes, mtimes = [], [], []
    if names:
        yield Files(folder, names, sizes, list(map(storable_mtime_ns, mtimes)))


def _would_hold_inputs(entry: "os.DirEntry[str]", path: str, wanted: Filter) -> bool:
    """Return whether what cannot be looked at is an input, or a folder that may hold some."""
    if entry.is_dir(follow_symlinks=False):
        return not wanted.leaves_out_folder(f"{path}/")
    return wanted.wants(path, entry.name) or wanted.enters(path)


def found_at(base: str, path: str) -> Found:
    """Return a file as it is now; what cannot be looked at has size 0, and probing tells why."""
    try:
        status = os.stat(os.path.join(base, path))
    except OSError as error:
        return _not_seen(path, error)
    return _found(path, status)


def _not_seen(path: str, error: OSError) -> Found:
    """Return what cannot be looked at; only some errors say that it is gone."""
    return Found(path, 0, 0, is_unknown=error.errno not in {ENOENT, ENOTDIR})


def _found(path: str, status: os.stat_result) -> Found:
    return Found(path, status.st_size, storable_mtime_ns(status.st_mtime_ns))
