"""PBM, PGM and PPM in their binary form (Netpbm's ``pbm(5)``, ``pgm(5)`` and ``ppm(5)``)."""

import re
from typing import Final

from shardmill.contract.errors import Corrupt
from shardmill.contract.location.archive import Pread
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats.look import Look, facts_of_look
from shardmill_worker.engine.source import OnlyLibav

_HEADER: Final = re.compile(
    rb"P([456])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})"
    rb"(?:(?:\s|#[^\n]*\n)+(\d{1,5}))?\s"
)
"""Kind, width, height and, but for a PBM, the largest value."""
_BY_CONTENT: Final = re.compile(rb"P[456]\r*\n(?:#[^\n]*\n)*\d+\s+\d")
"""How a file begins that libav knows by its content, with comments nowhere but at the start."""
_HEADER_BYTES: Final = 1024
_MAX_PAGES: Final = 1 << 16
_BITMAP: Final = 4
_CODECS: Final = {_BITMAP: "pbm", 5: "pgm", 6: "ppm"}
_PIX_FMTS: Final = {
    (_BITMAP, False): "monow",
    (5, False): "gray",
    (5, True): "gray16le",
    (6, False): "rgb24",
    (6, True): "rgb48le",
}
"""Kind, and whether a value has two bytes."""
_MAX_BYTE: Final = 255
_MAX_VALUE: Final = 65535


def read_pnm(head: bytes, size_bytes: int, pread: Pread) -> Facts:
    """Return what a PBM, PGM or PPM says of its first picture.

    Raises:
        Corrupt: It is cut off.
        OnlyLibav: It is text, or known by its name alone.
        TooLarge: It claims too many pixels.
    """
    found = _HEADER.match(head)
    if found is None or not _BY_CONTENT.match(head):
        raise OnlyLibav
    kind, width, height = (int(number) for number in found.group(1, 2, 3))
    most = _MAX_BYTE if kind == _BITMAP else int(found[4] or 0)
    if not 0 < most <= _MAX_VALUE:
        raise OnlyLibav
    end = _end(found)
    look = Look(
        container=f"{_CODECS[kind]}_pipe",
        codec=_CODECS[kind],
        size=(width, height),
        pix_fmt=_PIX_FMTS[kind, most > _MAX_BYTE],
        pages=1 if end >= size_bytes else pages_of_pnm(size_bytes, pread),
    )
    facts = facts_of_look(look)
    if end > size_bytes:
        raise Corrupt(
            f"The file is cut off: expected at least {end:,} bytes, found {size_bytes:,}."
        )
    return facts


def pages_of_pnm(size_bytes: int, pread: Pread) -> int:
    """Count the pictures that follow each other; text has no places to look."""
    position, count = 0, 0
    while count < _MAX_PAGES:
        found = _HEADER.match(pread(_HEADER_BYTES, position))
        if found is None:
            break
        position += _end(found)
        if position > size_bytes:
            break
        count += 1
    return count


def _end(found: re.Match[bytes]) -> int:
    """Return where a picture ends, from where it begins."""
    kind, width, height = (int(number) for number in found.group(1, 2, 3))
    if kind == _BITMAP:
        return found.end(3) + 1 + -(-width // 8) * height
    deep = int(found[4] or _MAX_BYTE) > _MAX_BYTE
    return found.end() + width * height * (3 if kind == 6 else 1) * (1 + deep)
