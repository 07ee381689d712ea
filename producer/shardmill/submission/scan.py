"""Enumeration: every media file below a directory, in constant memory.

No file is opened here; what a file is, probing finds out.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from stat import S_ISREG
from typing import Final

from shardmill.contract.errors import InvalidInput

VIDEO_SUFFIXES: Final = frozenset(
    """
    3g2 3gp asf avi divx dv flv gifv h264 h265 hevc ivf m1v m2ts m2v m4s m4v mjpeg mjpg mkv mov
    mp4 mpe mpeg mpg mts mxf nut ogm ogv qt rm rmvb ts vob webm wmv y4m
    """.split()
)
IMAGE_SUFFIXES: Final = frozenset(
    """
    apng avif bmp dib gif heic heif ico j2k jfif jp2 jpe jpeg jpg jxl pbm pcx pgm png pnm ppm psd
    tga tif tiff webp
    """.split()
)
MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | IMAGE_SUFFIXES


Places = tuple[tuple[int, int], ...]
"""Device and inode of a folder and of those above it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file below the input directory."""

    path: str
    """Below the input directory, with ``/``."""
    size_bytes: int
    mtime_ns: int


class Filter:
    """Which paths are inputs.

    A glob without ``/`` is held against the file's name, one with ``/`` against the whole path
    below the input directory, where ``*`` also crosses folders.
    """

    def __init__(self, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self._include = [_matcher(glob) for glob in include]
        self._exclude = [_matcher(glob) for glob in exclude]

    def wants(self, path: str, name: str) -> bool:
        """Tell whether a file is an input."""
        if any(matches(path, name) for matches in self._exclude):
            return False
        if self._include:
            return any(matches(path, name) for matches in self._include)
        return suffix(name) in MEDIA_SUFFIXES


def _matcher(glob: str) -> Callable[[str, str], bool]:
    pattern = re.compile(translate(glob))
    if "/" in glob:
        return lambda path, name: pattern.match(path) is not None  # noqa: ARG005
    return lambda path, name: pattern.match(name) is not None  # noqa: ARG005


def suffix(name: str) -> str:
    """Return a file name's suffix in lower case, without the dot."""
    return os.path.splitext(name)[1][1:].lower()


def scan(root: str, wanted: Filter, on_unreadable: Callable[[str], None]) -> Iterator[Found]:
    """Yield the inputs below ``root``, folder by folder, names sorted.

    Hidden files and folders are left out.  Symbolic links are followed; a link to a folder that
    holds it is not entered again.

    Args:
        root: The input directory.
        wanted: Tells inputs from other files.
        on_unreadable: Called with one sentence for each folder or file that cannot be read;
            such a file is an input all the same, of size 0.

    Raises:
        InvalidInput: ``root`` itself cannot be read.
    """
    try:
        home = os.stat(root)
    except OSError as error:
        raise InvalidInput(f"{root} cannot be read: {error.strerror}") from error
    stack: list[tuple[str, Places]] = [("", ((home.st_dev, home.st_ino),))]
    while stack:
        folder, above = stack.pop()
        below: list[tuple[str, Places]] = []
        for entry in _entries(root, folder, on_unreadable):
            path = f"{folder}{entry.name}"
            try:
                if entry.is_dir():
                    status = entry.stat()
                    place = (status.st_dev, status.st_ino)
                    if place not in above:
                        below.append((path + "/", (*above, place)))
                elif wanted.wants(path, entry.name) and S_ISREG((status := entry.stat()).st_mode):
                    yield Found(path, status.st_size, status.st_mtime_ns)
            except OSError as error:
                on_unreadable(f"{path} cannot be read: {error.strerror}")
                if wanted.wants(path, entry.name):
                    yield Found(path, 0, 0)  # probing gives it its row: unreadable
        stack.extend(reversed(below))


def _entries(
    root: str, folder: str, on_unreadable: Callable[[str], None]
) -> list["os.DirEntry[str]"]:
    """Return what is in a folder, hidden entries left out, by name; nothing if it is unreadable."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        on_unreadable(f"folder {folder or root} cannot be read: {error.strerror}")
        return []
    return sorted(seen, key=lambda entry: entry.name)
