"""What the header of a VP8 or VP9 keyframe says of its looks.

Sources: RFC 6386 9.1 and 9.2, the VP9 bitstream specification 6.2 and 7.2.
"""

from typing import Final

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.colour_names import FULL, LIMITED, RGB, UNSPECIFIED
from shardmill_worker.engine.looks.look import Look, yuv_format
from shardmill_worker.engine.source import OnlyLibav

_VP8_START: Final = b"\x9d\x01\x2a"
_VP9_START: Final = 0x498342
_VP9_MATRICES: Final = {0: UNSPECIFIED, 1: 5, 2: 1, 3: 6, 4: 7, 5: 9, 7: RGB}
"""VP9's numbers of colour spaces as AVColorSpace; 6 is reserved."""
_BT470BG: Final = 5
_VP9_CHROMA: Final = {(1, 1): 1, (1, 0): 2, (0, 0): 3}
"""4:2:0, 4:2:2 and 4:4:4 by whether chroma is halved across and down."""


def vp8_look(data: bytes) -> Look:
    """Return the looks of a shown keyframe.

    Its first coded bits are even chances (RFC 6386 7.3), so that they are the bits of a byte.

    Raises:
        OnlyLibav: It is none.
    """
    if len(data) < 11 or data[0] & 0x11 != 0x10 or data[3:6] != _VP8_START:
        raise OnlyLibav
    if data[10] & 0x80:  # a colour space that is reserved
        raise OnlyLibav
    return Look(
        width=int.from_bytes(data[6:8], "little") & 0x3FFF,
        height=int.from_bytes(data[8:10], "little") & 0x3FFF,
        pix_fmt="yuv420p",
        bit_depth=8,
        color_matrix=_BT470BG,
        color_range=FULL if data[10] & 0x40 else LIMITED,
    )


def vp9_look(data: bytes) -> Look:
    """Return the looks of a shown keyframe.

    Raises:
        OnlyLibav: It is none, or of a rare format.
    """
    bits = Bits(data[:24])
    if bits.u(2) != 2:
        raise OnlyLibav
    profile = bits.u(1) + 2 * bits.u(1)
    if profile == 3 and bits.u(1):
        raise OnlyLibav
    existing, inter, shown = bits.u(1), bits.u(1), bits.u(1)
    bits.u(1)
    if existing or inter or not shown or bits.u(24) != _VP9_START:
        raise OnlyLibav
    depth = 8 if profile < 2 else 12 if bits.u(1) else 10
    matrix = _VP9_MATRICES.get(bits.u(3), RGB)
    color_range = FULL if bits.u(1) else LIMITED
    halved = (bits.u(1), bits.u(1)) if profile % 2 else (1, 1)
    if halved not in _VP9_CHROMA or (profile % 2 and bits.u(1)):
        raise OnlyLibav
    look = Look(
        width=bits.u(16) + 1,
        height=bits.u(16) + 1,
        pix_fmt=yuv_format(_VP9_CHROMA[halved], depth),
        bit_depth=depth,
        color_matrix=matrix,
        color_range=color_range,
    )
    if bits.is_overread:
        raise OnlyLibav
    return look
