"""Motion JPEG: ITU-T T.81 annex B."""

from typing import Final

from shardmill_worker.engine.bitstream.role import ALONE, Inspector, Role
from shardmill_worker.engine.formats.jpeg import tables_of

_QUANTISATION: Final = 0xFFDB


def mjpeg() -> Inspector:
    """A picture is alone if it brings all tables that the others bring: decoders keep them."""
    brought: frozenset[int] | None = None

    def inspect(data: bytes) -> Role | None:
        nonlocal brought
        tables = tables_of(data)
        brought = tables if brought is None else brought
        return ALONE if tables == brought and _QUANTISATION in tables else None

    return inspect
