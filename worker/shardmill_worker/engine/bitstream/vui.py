"""Video usability information, the part that H.264 and H.265 share: ITU-T H.264 E.1.1."""

from fractions import Fraction
from typing import Final

from msgspec import Struct

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.colour_names import FULL, LIMITED, MATRICES, TRANSFERS, known

_ASPECTS: Final = (
    *((0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
"""Table E-1."""
_EXTENDED_ASPECT: Final = 255


class Vui(Struct, frozen=True):
    """Aspect and colours; None for what is not said."""

    aspect: Fraction | None = None
    color_range: int | None = None
    color_matrix: int | None = None
    color_transfer: int | None = None


def read_vui(bits: Bits) -> Vui:
    """Return what is said of aspect and colours."""
    aspect, color_range, matrix, transfer = None, None, None, None
    if bits.u(1):
        code = bits.u(8)
        wide, high = 0, 0
        if code == _EXTENDED_ASPECT:
            wide, high = bits.u(16), bits.u(16)
        elif code < len(_ASPECTS):
            wide, high = _ASPECTS[code]
        aspect = Fraction(wide, high) if wide and high else None
    if bits.u(1):  # whether overscan is known
        bits.u(1)
    if bits.u(1):
        bits.u(3)
        color_range = FULL if bits.u(1) else LIMITED
        if bits.u(1):
            bits.u(8)
            transfer = known(bits.u(8), TRANSFERS)
            matrix = known(bits.u(8), MATRICES)
    return Vui(aspect, color_range, matrix, transfer)
