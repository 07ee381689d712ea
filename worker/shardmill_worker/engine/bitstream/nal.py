"""NAL units, and the parameter sets among them: ISO/IEC 14496-15 5.3.3 and 8.3.3."""

from collections.abc import Iterable, Iterator
from typing import Final

SEI_OF_LOOKS: Final = frozenset({47, 147})
"""Messages that change what a picture looks like: display orientation, another transfer curve."""


def nal_units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield NAL units: each after its length, or after a start code if that takes 0 bytes."""
    if not length_bytes:
        begin = data.find(b"\0\0\1")
        while begin >= 0:
            end = data.find(b"\0\0\1", begin + 3)
            yield data[begin + 3 : end if end >= 0 else None]
            begin = end
        return
    position = 0
    while position + length_bytes < len(data):
        begin = position + length_bytes
        position = begin + int.from_bytes(data[position:begin])
        yield data[begin:position]


def unescaped(data: bytes) -> bytes:
    """Return the payload of a NAL unit without the bytes that keep start codes out of it."""
    return data.replace(b"\0\0\3", b"\0\0")


def sei_kinds(payload: bytes) -> set[int]:
    """Return the kinds of message in a unit of supplemental information (ITU-T H.264 7.3.2.3)."""
    data, position = unescaped(payload), 0
    kinds: set[int] = set()
    while position + 2 < len(data):  # behind the last message come stop bits
        kind, position = _sei_number(data, position)
        size, position = _sei_number(data, position)
        kinds.add(kind)
        position += size
    return kinds


def _sei_number(data: bytes, position: int) -> tuple[int, int]:
    """Return a number, each 255 of which takes a byte, and where it ends."""
    start = position
    while data[position : position + 1] == b"\xff":
        position += 1
    return 255 * (position - start) + sum(data[position : position + 1]), position + 1


def boxed_units(header: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    """Return so many NAL units, each after its length of two bytes, and where they end."""
    units: list[bytes] = []
    for _ in range(count):
        if position >= len(header):
            break
        begin = position + 2
        position = begin + int.from_bytes(header[position:begin])
        units.append(header[begin:position])
    return units, position


class ParameterSets:
    """The parameter sets that a decoder has been told, which no later packet may change.

    Args:
        header: Those of the container's header.
    """

    def __init__(self, header: Iterable[bytes]) -> None:
        self._of_header = trimmed(header)
        self._known: frozenset[bytes] | None = None

    def are_kept_by(self, found: Iterable[bytes]) -> bool:
        """Return whether a packet brings no sets but those known since the first packet."""
        sets = trimmed(found)
        if self._known is None:
            self._known = self._of_header | sets
            return not self._of_header or sets <= self._of_header
        return sets <= self._known


def trimmed(units: Iterable[bytes]) -> frozenset[bytes]:
    """Return NAL units without the zeros that may follow them."""
    return frozenset(unit.rstrip(b"\0") for unit in units)
