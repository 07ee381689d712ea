"""What the headers of an AV1 keyframe say of its looks: the AV1 specification, 5.5 and 5.9.

Headers that hold what is rare (operating points, timing, super-resolution) are left to a decoder.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Final

from msgspec import Struct

from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.vpx import obus
from shardmill_worker.engine.colour_names import (
    FULL,
    LIMITED,
    MATRICES,
    TRANSFERS,
    UNSPECIFIED,
    known,
)
from shardmill_worker.engine.looks.look import Look, yuv_format
from shardmill_worker.engine.source import OnlyLibav

_SEQUENCE, _DELIMITER, _FRAME_HEADER, _METADATA, _FRAME, _PADDING = 1, 2, 3, 5, 6, 15
_SELECT: Final = 2
"""A tool that each frame header decides on."""
_SEQUENCE_BYTES: Final = 128
_CHROMA: Final = {(1, 1): 1, (1, 0): 2, (0, 0): 3}


class Sequence(Struct, frozen=True):
    """The fields of a sequence header that matter here."""

    look: Look
    has_screen_tools: int
    """0, 1, or ``_SELECT``."""
    has_integer_motion: int
    """0, 1, or ``_SELECT``."""
    order_bits: int
    """Bits of a frame's number."""
    has_super_resolution: bool


def av1_look(header: bytes, data: bytes) -> Look:
    """Return the looks of a shown keyframe.

    Args:
        header: The av1C box.
        data: The first packet, at least up to its frame's header.

    Raises:
        OnlyLibav: It is none, or its header has what is rare.
    """
    sequence = next((unit for kind, unit in obus(header[4:]) if kind == _SEQUENCE), None)
    for kind, unit in obus(data):
        if kind == _SEQUENCE:
            sequence = unit
        elif kind in (_FRAME, _FRAME_HEADER):
            if sequence is None:
                break
            return _with_render_size(_sequence(sequence[:_SEQUENCE_BYTES]), unit)
        elif kind not in (_DELIMITER, _METADATA, _PADDING):
            break
    raise OnlyLibav


@lru_cache(maxsize=64)
def _sequence(unit: bytes) -> Sequence:
    """Read a sequence header; clips of one encoder have the same."""
    bits = Bits(unit)
    profile = bits.u(3)
    bits.u(1)
    if bits.u(1) or bits.u(1):  # a reduced header, timing
        raise OnlyLibav
    has_delay = bits.u(1)
    if has_delay or bits.u(5) or bits.u(12):  # several operating points
        raise OnlyLibav
    if bits.u(5) > 7:
        bits.u(1)
    wide_bits, high_bits = 1 + bits.u(4), 1 + bits.u(4)
    width, height = 1 + bits.u(wide_bits), 1 + bits.u(high_bits)
    if bits.u(1):  # frames have numbers
        raise OnlyLibav
    bits.u(3), bits.u(4)
    has_order = bits.u(1)
    bits.u(2 if has_order else 0)
    screen_tools = _SELECT if bits.u(1) else bits.u(1)
    integer_motion = _SELECT
    if screen_tools:
        integer_motion = _SELECT if bits.u(1) else bits.u(1)
    order_bits = 1 + bits.u(3) if has_order else 0
    super_resolution = bits.u(1)
    bits.u(2)
    look = _colours(bits, profile, Size(width, height))
    if bits.is_overread:
        raise OnlyLibav
    return Sequence(look, screen_tools, integer_motion, order_bits, bool(super_resolution))


def _colours(bits: Bits, profile: int, size: Size) -> Look:
    """Read the colour configuration (5.5.2)."""
    depth = 10 if bits.u(1) else 8
    if profile == 2 and depth == 10 and bits.u(1):
        depth = 12
    if profile != 1 and bits.u(1):  # grey
        raise OnlyLibav
    matrix, transfer = UNSPECIFIED, UNSPECIFIED
    if bits.u(1):
        bits.u(8)
        transfer, matrix = known(bits.u(8), TRANSFERS), known(bits.u(8), MATRICES)
    color_range = FULL if bits.u(1) else LIMITED
    halved = (1, 1) if profile == 0 else (0, 0)
    if profile == 2:
        halved = (1, 0)
        if depth == 12 and bits.u(1):
            halved = (1, bits.u(1))
        elif depth == 12:
            halved = (0, 0)
    return Look(
        width=size.width,
        height=size.height,
        pix_fmt=yuv_format(_CHROMA[halved], depth),
        bit_depth=depth,
        aspect=Fraction(1),
        color_matrix=matrix,
        color_range=color_range,
        color_transfer=transfer,
    )


def _with_render_size(sequence: Sequence, unit: bytes) -> Look:
    """Return the looks if the frame has the sequence's size, and is shown at it (5.9.2)."""
    bits = Bits(unit[:32])
    shows_other, kind, shown = bits.u(1), bits.u(2), bits.u(1)
    if shows_other or kind or not shown:
        raise OnlyLibav
    bits.u(1)
    has_tools = bits.u(1) if sequence.has_screen_tools == _SELECT else sequence.has_screen_tools
    if has_tools and sequence.has_integer_motion == _SELECT:
        bits.u(1)
    has_own_size = bits.u(1)
    bits.u(sequence.order_bits)
    is_scaled = bits.u(1) if sequence.has_super_resolution else 0
    if has_own_size or is_scaled or bits.u(1) or bits.is_overread:
        raise OnlyLibav
    return sequence.look
