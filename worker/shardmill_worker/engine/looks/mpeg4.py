"""What the headers of MPEG-4 part 2 say that pictures look like: ISO/IEC 14496-2, 6.2."""

import re
from fractions import Fraction
from typing import Final

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.looks.look import Look
from shardmill_worker.engine.source import OnlyLibav

_LAYER: Final = re.compile(rb"\x00\x00\x01[\x20-\x2f]")
_OBJECT: Final = b"\0\0\1\xb5"
_PICTURE: Final = b"\0\0\1\xb6"
_PLAIN_TYPES: Final = frozenset({1, 17})
"""Simple and Advanced Simple."""
_ASPECTS: Final = {1: (1, 1), 2: (12, 11), 3: (10, 11), 4: (16, 11), 5: (40, 33)}
_EXTENDED_ASPECT: Final = 15
_VIDEO: Final = 1
_LAYER_BYTES: Final = 64


def mpeg4_look(header: bytes, data: bytes) -> Look:
    """Return the looks of a picture that needs no other.

    Args:
        header: The container's private data, may be empty.
        data: The first packet, at least up to its picture's header.

    Raises:
        OnlyLibav: It needs others, or its layer has what is rare.
    """
    picture = data.find(_PICTURE)
    if picture < 0 or picture + 5 > len(data) or data[picture + 4] >> 6:
        raise OnlyLibav
    front = data[:picture]
    layers = [*_layers(header), *_layers(front)]
    if not layers or any(_has_colours(part) for part in (header, front)):
        raise OnlyLibav
    looks = {_layer_look(layer) for layer in layers}
    if len(looks) != 1:
        raise OnlyLibav
    return looks.pop()


def _layers(data: bytes) -> list[bytes]:
    return [data[m.end() : m.end() + _LAYER_BYTES] for m in _LAYER.finditer(data)]


def _has_colours(data: bytes) -> bool:
    """Return whether a visual object is none of video, or tells its colours (6.2.2)."""
    place = data.find(_OBJECT)
    if place < 0:
        return False
    bits = Bits(data[place + 4 : place + 8])
    bits.u(7 if bits.u(1) else 0)
    return bits.u(4) != _VIDEO or bits.u(1) == 1


def _layer_look(data: bytes) -> Look:
    """Read a video object layer (6.2.3)."""
    bits = Bits(data)
    bits.u(1)
    if bits.u(8) not in _PLAIN_TYPES:
        raise OnlyLibav
    bits.u(7 if bits.u(1) else 0)
    code = bits.u(4)
    shape = (bits.u(8), bits.u(8)) if code == _EXTENDED_ASPECT else _ASPECTS.get(code, (0, 0))
    if bits.u(1):
        if bits.u(2) != 1:  # 4:2:0
            raise OnlyLibav
        bits.u(1)
        bits.u(79 if bits.u(1) else 0)
    if bits.u(2):  # not rectangular
        raise OnlyLibav
    bits.u(1)
    resolution = bits.u(16)
    bits.u(1)
    if bits.u(1):
        bits.u(max(1, (resolution - 1).bit_length()))
    bits.u(1)
    width = bits.u(13)
    bits.u(1)
    height = bits.u(13)
    if resolution == 0 or bits.is_overread:
        raise OnlyLibav
    return Look(
        width=width,
        height=height,
        pix_fmt="yuv420p",
        bit_depth=8,
        aspect=Fraction(*shape) if all(shape) else None,
    )
