"""Pictures so plain that their headers say what libav would say after decoding them.

A reader here answers with the very ``Facts`` that libav gives, or not at all: whatever is rare,
odd or in doubt is libav's.  It reads a few kilobytes and runs no native code, which is what makes
probing a million pictures cheap.  A file that is cut off never passes, because each reader wants
to see the end that its format prescribes; damage in between shows when the picture is decoded.
"""

from collections.abc import Callable
from typing import Final

from shardmill.contract.schema import Facts
from shardmill_worker.engine.plain.bmp import read_bmp
from shardmill_worker.engine.plain.gif import read_gif
from shardmill_worker.engine.plain.jpeg import read_jpeg
from shardmill_worker.engine.plain.picture import Picture
from shardmill_worker.engine.plain.png import read_png
from shardmill_worker.engine.plain.webp import read_webp
from shardmill_worker.engine.source import NotPlain, Source

_READERS: Final[dict[bytes, Callable[[Source], Picture]]] = {
    b"\xff\xd8": read_jpeg,
    b"\x89P": read_png,
    b"GI": read_gif,
    b"BM": read_bmp,
    b"RI": read_webp,
}
"""First two bytes of a file to the reader that knows the rest."""


def plain_facts(source: Source) -> Facts | None:
    """Return what libav would say of a picture, None if only libav can tell.

    Raises:
        TooLarge: The header claims too many pixels.
    """
    try:
        reader = _READERS.get(source.read(0, 2))
        return None if reader is None else reader(source).facts()
    except NotPlain:
        return None
