"""VP8, VP9 and AV1.

Sources: RFC 6386 9.1, the VP9 bitstream specification 6.2 and annex B, the AV1 one 5.3 to 5.9.
"""

from collections.abc import Iterator

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.role import NEEDED, START, Role


def vp8(data: bytes) -> Role | None:
    """A frame that is not shown has no packet of its own."""
    if not data or not data[0] & 0x10:  # not shown
        return None
    return NEEDED if data[0] & 1 else START


def vp9(data: bytes) -> Role | None:
    """A superframe holds several frames, of which one is shown."""
    heads = [_vp9_head(frame) for frame in _vp9_frames(data)]
    if sum(shown for _, shown in heads) != 1:
        return None
    return START if heads[0][0] else NEEDED


def _vp9_frames(data: bytes) -> list[bytes]:
    marker = data[-1] if data else 0
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = 2 + count * width
    if marker & 0xE0 != 0xC0 or len(data) < index or data[-index] != marker:
        return [data]
    sizes = data[1 - index : -1]
    frames, begin = [], 0
    for number in range(count):
        end = begin + int.from_bytes(sizes[number * width : (number + 1) * width], "little")
        frames.append(data[begin:end])
        begin = end
    return frames


def _vp9_head(frame: bytes) -> tuple[bool, bool]:
    """Return whether a frame is a keyframe, and whether it is shown."""
    bits = Bits(frame[:2])
    bits.u(2)
    profile = bits.u(1) + 2 * bits.u(1)
    bits.u(1 if profile == 3 else 0)
    if bits.u(1):  # shows a frame that was decoded before
        return False, True
    inter, shown = bits.u(1), bits.u(1)
    return not inter, bool(shown)


_AV1_SEQUENCE, _AV1_FRAME_HEADER, _AV1_FRAME = 1, 3, 6


def av1(data: bytes) -> Role | None:
    """A temporal unit shows one frame; it is a start if its first frame is a shown keyframe.

    The sequence header must be with it: a decoder that begins here has seen none.
    """
    has_sequence = False
    for kind, unit in obus(data):
        if kind == _AV1_SEQUENCE:
            # A reduced header, that of still pictures, has other frame headers.
            if unit and unit[0] & 0x08:
                return None
            has_sequence = True
        elif kind in (_AV1_FRAME_HEADER, _AV1_FRAME):
            first = unit[0] if unit else 0x80
            return START if has_sequence and first & 0xF0 == 0x10 else NEEDED
    return None


def obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the payload of each unit; the last one may be incomplete."""
    position = 0
    while position < len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        size = 0
        if not head & 2:
            size = len(data) - position
        else:
            for shift in range(0, 56, 7):
                byte = data[position] if position < len(data) else 0
                position += 1
                size |= (byte & 0x7F) << shift
                if not byte & 0x80:
                    break
        yield head >> 3 & 15, data[position : position + size]
        position += size
