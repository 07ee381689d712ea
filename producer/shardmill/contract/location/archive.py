"""Media files in archives, read where they lie: in a tar, or stored or deflated in a zip.

A member's path is its archive's with its own name behind it, as if the archive were a folder.
Nothing is ever unpacked to a place that a name in an archive says.
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Self, get_args

from msgspec import Struct
from msgspec.structs import asdict, astuple

from shardmill.contract.errors import Corrupt, Encrypted, ItemError, TooLarge, Unsupported

Pread = Callable[[int, int], bytes]
"""Returns at most so many bytes from an offset: ``os.pread`` of an open file."""
Obstacle = Literal["damaged", "foreign", "packed", "deep", "link", "sparse"]
"""What keeps an archive or a member from being read, as found when the archive was listed."""

TAR: Final = ".tar"
ZIP: Final = ".zip"
PACKED_TARS: Final = (
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"),
    *(".tgz", ".tbz", ".tbz2", ".txz", ".tzst"),
)
"""Nothing in them can be found without unpacking all that precedes it."""
ARCHIVES: Final = (TAR, ZIP, *PACKED_TARS)

MOST_UNPACKED_BYTES: Final = 1 << 28
MOST_UNPACKED_TIMES: Final = 20
"""A deflated member may be as large as one of the two allows: media hardly shrink, bombs do."""
CHUNK_BYTES: Final = 1 << 20

LOCAL_HEADER: Final = struct.Struct("<4s2xHH4xI8xHH")
"""Signature, flags, method, CRC-32, lengths of name and extra (APPNOTE.TXT 6.3.10, 4.3.7)."""
_IS_ENCRYPTED: Final = 1 << 0
_CRC_FOLLOWS: Final = 1 << 3
_STORED, _DEFLATED = 0, 8
_METHODS: Final = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "AES"}

_OBSTACLES: Final[dict[Obstacle, tuple[type[ItemError], str]]] = {
    "damaged": (
        Corrupt,
        "The archive is damaged or cut off: only what it lists before the damage is taken.",
    ),
    "foreign": (
        Corrupt,
        "Expected a tar or a zip, found neither: look at the file, and fetch the archive again.",
    ),
    "packed": (
        Unsupported,
        "The archive is compressed as a whole, so its files cannot be read in place: unpack it.",
    ),
    "deep": (Unsupported, "Too many archives lie in each other here: unpack the outer ones."),
    "link": (Unsupported, "The archive holds a link here, not a file: unpack it first."),
    "sparse": (Unsupported, "The archive holds a sparse file here: unpack it first."),
}


class Member(Struct, frozen=True):
    """Where a media file lies in an archive; the fields of ``Item`` are explained there."""

    archive: str
    archive_offset: int | None = None
    packed_bytes: int | None = None
    obstacle: Obstacle | None = None

    def fields(self) -> dict[str, Any]:
        """Return what an ``Item`` has of it."""
        return asdict(self)

    def encode(self) -> str:
        """Return it as one text."""
        return json.dumps(astuple(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what ``encode`` gave."""
        return cls(*json.loads(text))

    def is_possible(self, path: str) -> bool:
        """Return whether something of this path could lie there."""
        numbers = (self.archive_offset, self.packed_bytes)
        return (
            (path == self.archive or path.startswith(f"{self.archive}/"))
            and is_archive(self.archive)
            and all(0 <= (number or 0) < 2**63 for number in numbers)
            and self.obstacle in (None, *get_args(Obstacle))
            and (self.obstacle is None) == (self.archive_offset is not None)
        )


class Extent(Struct, frozen=True):
    """A member's bytes in its archive."""

    offset: int
    length: int
    size_bytes: int
    """Of the member, once unpacked."""
    is_deflated: bool = False
    crc32: int | None = None
    """Of the member, if the archive says it here."""


def is_archive(name: str) -> bool:
    """Return whether a file's name is that of an archive."""
    return name.lower().endswith(ARCHIVES)


def without_suffix(name: str) -> str:
    """Return a folder's name; that of an archive without its suffix."""
    low = name.lower()
    if not low.endswith(ARCHIVES):
        return name
    return next(name[: -len(end)] for end in ARCHIVES if low.endswith(end)) or name


def archive_of(path: str, told: str) -> str:
    """Return the archive of a path, given its name as text, where odd bytes may be escaped."""
    return "/".join(path.split("/")[: told.count("/") + 1])


def extent_of(pread: Pread, archive_bytes: int, member: Member, size_bytes: int) -> Extent:
    """Return where a member's bytes lie.

    Args:
        pread: Reads the archive.
        archive_bytes: Its size.
        member: As the archive's list told.
        size_bytes: Size of the member, as the list told.

    Raises:
        ItemError: It cannot be read.
    """
    if member.obstacle is not None:
        kind, sentence = _OBSTACLES[member.obstacle]
        raise kind(sentence)
    assert member.archive_offset is not None
    if member.packed_bytes is None:
        extent = Extent(member.archive_offset, size_bytes, size_bytes)
    else:
        extent = _zipped(pread, member.archive_offset, member.packed_bytes, size_bytes)
    if extent.offset + extent.length > archive_bytes:
        raise Corrupt("The archive ends before the file in it does.")
    return extent


def _zipped(pread: Pread, header: int, packed_bytes: int, size_bytes: int) -> Extent:
    data = pread(LOCAL_HEADER.size, header)
    if len(data) < LOCAL_HEADER.size or not data.startswith(b"PK\3\4"):
        raise Corrupt("The archive holds no file where its directory says.")
    _, flags, method, crc32, *lengths = LOCAL_HEADER.unpack(data)
    if flags & _IS_ENCRYPTED:
        raise Encrypted("The file is encrypted in its archive.")
    if method not in (_STORED, _DEFLATED):
        name = _METHODS.get(method, f"method {method}")
        raise Unsupported(f"The file is compressed with {name} in its archive: unpack it first.")
    if method == _STORED and packed_bytes != size_bytes:
        raise Corrupt("The archive's directory tells two sizes of a file that is not compressed.")
    if size_bytes > max(MOST_UNPACKED_BYTES, MOST_UNPACKED_TIMES * packed_bytes):
        raise TooLarge(
            f"The file would grow from {packed_bytes:,} to {size_bytes:,} bytes when unpacked, as "
            "no video or picture does: unpack it yourself if you trust it."
        )
    return Extent(
        header + LOCAL_HEADER.size + sum(lengths),
        packed_bytes,
        size_bytes,
        is_deflated=method == _DEFLATED,
        crc32=None if flags & _CRC_FOLLOWS else crc32,
    )


def contents(pread: Pread, extent: Extent) -> Iterator[bytes]:
    """Yield a member's bytes, at most ``CHUNK_BYTES`` at a time.

    Raises:
        Corrupt: They are not what the archive says.
    """
    packed = _stretch(pread, extent.offset, extent.length)
    if not extent.is_deflated:
        yield from packed
        return
    size_bytes, crc32 = 0, 0
    try:
        for piece in _inflated(packed):
            size_bytes += len(piece)
            if size_bytes > extent.size_bytes:
                break
            crc32 = zlib.crc32(piece, crc32)
            yield piece
    except zlib.error as error:
        raise Corrupt("The file cannot be unpacked: its compressed bytes are damaged.") from error
    if size_bytes != extent.size_bytes or extent.crc32 not in (None, crc32):
        raise Corrupt("The unpacked file is not the one that its archive says.")


def _stretch(pread: Pread, offset: int, length: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end and (data := pread(min(CHUNK_BYTES, end - offset), offset)):
        offset += len(data)
        yield data
    if offset < end:
        raise Corrupt("The archive ends before the file in it does.")


def _inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)  # no header: that is zip's own
    for data in packed:
        rest = data
        while piece := engine.decompress(rest, CHUNK_BYTES):
            yield piece
            rest = engine.unconsumed_tail
