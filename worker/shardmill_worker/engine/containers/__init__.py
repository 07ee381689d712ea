"""Videos so plain that their headers say what libav would say after opening and decoding them.

As for pictures (``plain``), a reader here answers with the very ``Facts`` that libav gives, or not
at all: whatever is rare, odd or in doubt is libav's.  It runs no native code.  Container and codec
must agree on the size, every element that may count must be known here, and the first packet must
begin a picture by itself.
"""

from collections.abc import Callable
from typing import Final

from shardmill.contract.schema import Facts
from shardmill_worker.engine.containers.avi import read_avi
from shardmill_worker.engine.containers.iso_bmff import PICTURE_BRANDS, read_iso_bmff
from shardmill_worker.engine.containers.matroska import read_matroska
from shardmill_worker.engine.containers.track import Track
from shardmill_worker.engine.source import OnlyLibav, Source

__all__ = ["PICTURE_BRANDS", "header_facts"]

_READERS: Final[dict[bytes, Callable[[Source], Track]]] = {
    b"ftyp": read_iso_bmff,
    b"\x1a\x45\xdf\xa3": read_matroska,
    b"RIFF": read_avi,
}
"""Four bytes that mark a container to the reader that knows the rest."""


def header_facts(source: Source) -> Facts | None:
    """Return what libav would say of a video, None if only libav can tell.

    Raises:
        TooLarge: The header claims too many pixels.
    """
    try:
        head = source.read(0, min(source.size_bytes, 8))
        reader = _READERS.get(head[:4]) or _READERS.get(head[4:])
        return None if reader is None else reader(source).facts(source)
    except OnlyLibav:
        return None
