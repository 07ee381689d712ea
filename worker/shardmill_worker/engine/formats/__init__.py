"""Still pictures: what their headers say, one module a format.

A picture costs its header: a reader looks at the first bytes of a file and at its end, runs no
native code, and gives the very facts that libav gives after decoding, or none where only libav can
tell.  Whether a file is cut off shows by its bytes: the mark that ends it, or the sizes that its
header declares.  Damage in between shows when a picture is decoded (``--check``, extraction).

The walkers of a format's structure lie here as well, for whoever else needs them.
"""

from collections.abc import Callable
from typing import Final

from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.bmp import read_bmp
from shardmill_worker.engine.formats.gif import read_gif
from shardmill_worker.engine.formats.jpeg import read_jpeg
from shardmill_worker.engine.formats.png import read_png
from shardmill_worker.engine.formats.pnm import read_pnm
from shardmill_worker.engine.formats.tiff import read_tiff
from shardmill_worker.engine.formats.webp import read_webp
from shardmill_worker.engine.source import OnlyLibav

HEAD_BYTES: Final = 4096
"""Holds the header of most pictures."""
_READERS: Final[dict[bytes, Callable[[bytes, int, Pread], Facts]]] = {
    b"\xff\xd8": read_jpeg,
    b"\x89P": read_png,
    b"GI": read_gif,
    b"BM": read_bmp,
    b"RI": read_webp,
    b"II": read_tiff,
    b"MM": read_tiff,
    b"P4": read_pnm,
    b"P5": read_pnm,
    b"P6": read_pnm,
}
"""First two bytes of a file to the reader that knows the rest."""


def read_picture(head: bytes, size_bytes: int, pread: Pread) -> Facts | None:
    """Return what a picture is, None if it is none or only libav can tell.

    Equal pictures give one object, as long as it is remembered.

    Args:
        head: First ``HEAD_BYTES`` of the file, or all of a smaller one.
        size_bytes: Size of the file.
        pread: Returns at most so many bytes from an offset, as ``os.pread`` of an open file.

    Raises:
        Corrupt: The file is cut off.
        TooLarge: The header claims too many pixels.
        Unsupported: libav would make a wrong picture of it.
    """
    reader = _READERS.get(head[:2])
    if reader is None:
        return None
    try:
        return reader(head, size_bytes, pread)
    except OnlyLibav:
        return None
