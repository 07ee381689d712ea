"""NAL units, and the parameter sets among them: ISO/IEC 14496-15 5.3.3 and 8.3.3."""

from collections.abc import Iterable, Iterator


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
        self._of_header = _trimmed(header)
        self._known: frozenset[bytes] | None = None

    def are_kept_by(self, found: Iterable[bytes]) -> bool:
        """Return whether a packet brings no sets but those known since the first packet."""
        sets = _trimmed(found)
        if self._known is None:
            self._known = self._of_header | sets
            return not self._of_header or sets <= self._of_header
        return sets <= self._known


def _trimmed(units: Iterable[bytes]) -> frozenset[bytes]:
    """Return NAL units without the zeros that may follow them."""
    return frozenset(unit.rstrip(b"\0") for unit in units)
