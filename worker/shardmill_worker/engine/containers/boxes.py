"""Boxes of ISO-BMFF: ISO/IEC 14496-12, 4.2."""

from collections.abc import Iterator, Set
from struct import Struct as Layout
from typing import Final

from shardmill_worker.engine.source import OnlyLibav

_HEAD: Final = Layout(">I4s")
_MAX_BOXES: Final = 1024
"""In one other."""
_PADDING: Final = frozenset(
    {b"free", b"skip", b"uuid", b"udta", b"meta", b"sgpd", b"sbgp", b"subs"}
)
"""Boxes that say nothing of a track, and may come more often than once."""

Span = tuple[int, int]
"""Where something begins and where it ends."""


def boxes(data: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
    """Yield the kind of each box within a span, and the span of what it holds.

    Raises:
        OnlyLibav: A box is longer than what holds it, or there are very many.
    """
    position, end = span
    for _ in range(_MAX_BOXES):
        if position + 8 > end:
            return
        size, kind = _HEAD.unpack_from(data, position)
        if not 8 <= size <= end - position:
            raise OnlyLibav
        yield kind, (position + 8, position + size)
        position += size
    raise OnlyLibav


def table(data: bytes, span: Span, allowed: Set[bytes]) -> dict[bytes, Span]:
    """Return boxes by their kind, of which each comes once at most.

    Raises:
        OnlyLibav: Another kind is there, or one comes twice.
    """
    found: dict[bytes, Span] = {}
    for kind, place in boxes(data, span):
        if kind in _PADDING:
            continue
        if kind in found or kind not in allowed:
            raise OnlyLibav
        found[kind] = place
    return found
