"""What an archive is, by its first bytes: names often say otherwise."""

from typing import Final, Literal

from shardmill.inputs.archives.entry import Stretch

Kind = Literal["tar", "zip", "packed"]
"""``packed`` is compressed as a whole, a tar mostly."""

_USTAR: Final = b"ustar"
_USTAR_AT: Final = 257
"""Of the header's mark (POSIX.1-1988; GNU's is followed by spaces); the oldest tars have none."""
_ZIPS: Final = (b"PK\3\4", b"PK\5\6")
"""With a file, and without one (APPNOTE.TXT 6.3.10, 4.3.7 and 4.3.16)."""
_PACKED: Final = (
    b"\x1f\x8b",  # gzip
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",  # Zstandard
    b"\x04\x22\x4d\x18",  # LZ4
    *(b"BZh%d1AY&SY" % level for level in range(1, 10)),
)


def kind_of(stretch: Stretch) -> Kind | None:
    """Return what an archive is, None if its first bytes are not those of any."""
    head = stretch.read(_USTAR_AT + len(_USTAR), 0)
    if head[_USTAR_AT:] == _USTAR:
        return "tar"
    if head.startswith(_ZIPS):
        return "zip"
    return "packed" if head.startswith(_PACKED) else None
