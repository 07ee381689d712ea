"""The sequence parameter set of H.264: ITU-T H.264 7.3.2.1.1."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.nal import unescaped
from shardmill_worker.engine.bitstream.vui import Vui, read_vui

_WITH_CHROMA_FORMAT: Final = frozenset(
    {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
)
"""Profiles whose parameter sets tell the chroma format."""
_SPS_BYTES: Final = 4096
"""More than any parameter set needs; what is longer is hostile."""


class Sps(Struct, frozen=True):
    """The fields of a sequence parameter set that matter here."""

    chroma: int
    """1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4, 0 for none."""
    luma_depth: int
    chroma_depth: int
    width: int
    """Of whole macroblocks."""
    height: int
    has_fields: bool
    """Whether it allows pictures of single fields: one shown picture may take two packets."""
    crop: tuple[int, int, int, int]
    """Left, right, top and bottom, in steps of cropping."""
    vui: Vui
    is_whole: bool
    """Whether the unit held all that was read."""


def read_sps(unit: bytes) -> Sps:
    """Return what a NAL unit says."""
    return _read(unit[:_SPS_BYTES])


@lru_cache(maxsize=64)
def _read(unit: bytes) -> Sps:
    """Read a unit; clips of one camera have the same."""
    bits = Bits(unescaped(unit[1:]))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    chroma, luma_depth, chroma_depth = 1, 8, 8
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.ue()
        if chroma == 3 and bits.u(1):  # three planes coded apart
            chroma = -1
        luma_depth, chroma_depth = 8 + bits.ue(), 8 + bits.ue()
        bits.u(1)
        if bits.u(1):
            for number in range(12 if chroma in (3, -1) else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.ue()
    _skip_picture_order(bits)
    bits.ue(), bits.u(1)
    columns, rows = bits.ue() + 1, bits.ue() + 1
    has_fields = not bits.u(1)
    bits.u(2 if has_fields else 1)
    crop = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.u(1) else (0, 0, 0, 0)
    vui = read_vui(bits) if bits.u(1) else Vui()
    return Sps(
        chroma=chroma,
        luma_depth=luma_depth,
        chroma_depth=chroma_depth,
        width=16 * columns,
        height=16 * rows * (2 if has_fields else 1),
        has_fields=has_fields,
        crop=crop,
        vui=vui,
        is_whole=not bits.is_overread,
    )


def _skip_picture_order(bits: Bits) -> None:
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
