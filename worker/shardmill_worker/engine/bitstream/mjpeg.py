"""Motion JPEG: ITU-T T.81 annex B."""

from typing import Final

from shardmill_worker.engine.bitstream.role import ALONE, Inspector, Role

_HUFFMAN, _SCAN, _QUANTISATION, _RESTART = 0xC4, 0xDA, 0xDB, 0xDD
_TABLES: Final = frozenset({_HUFFMAN, _QUANTISATION, _RESTART})


def mjpeg() -> Inspector:
    """A picture is alone if it brings all tables that the others bring: decoders keep them."""
    brought: set[int] | None = None

    def inspect(data: bytes) -> Role | None:
        nonlocal brought
        tables = _tables(data)
        brought = tables if brought is None else brought
        return ALONE if tables == brought and _QUANTISATION in tables else None

    return inspect


def _tables(data: bytes) -> set[int]:
    """Return the markers of the tables in front of a picture's first scan."""
    tables: set[int] = set()
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _SCAN:
            break
        if marker in _TABLES:
            tables.add(marker)
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return tables
