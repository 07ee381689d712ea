"""What the parameter sets of H.265 say that pictures look like: ITU-T H.265 7.3.2.2."""

from functools import lru_cache
from typing import Final

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.hevc import (
    IRAP,
    PARAMETERS,
    hvcc_parameters,
    kind_of,
    length_bytes,
)
from shardmill_worker.engine.bitstream.nal import (
    SEI_OF_LOOKS,
    nal_units,
    sei_kinds,
    trimmed,
    unescaped,
)
from shardmill_worker.engine.bitstream.vui import Vui, read_vui
from shardmill_worker.engine.colour_names import FULL, LIMITED, UNSPECIFIED
from shardmill_worker.engine.looks.look import CROP_UNITS, Look, yuv_format
from shardmill_worker.engine.source import OnlyLibav

_SPS, _DELIMITER, _SEI = 33, 35, 39
_SPS_BYTES: Final = 4096
_MAX_SETS: Final = 64
_MAX_PICTURES: Final = 16
"""Pictures in a set of references, and sets of them: 7.4.3.2.1 and 7.4.8."""


def hevc_look(header: bytes, data: bytes) -> Look:
    """Return what pictures look like that begin at an intra random access point.

    Args:
        header: The hvcC box.
        data: The first packet, at least up to its first slice.

    Raises:
        OnlyLibav: There are several parameter sets to choose from, or messages that count.
    """
    length_size = length_bytes(header)
    if not length_size:
        raise OnlyLibav
    parameters = hvcc_parameters(header)
    sets = [unit for unit in parameters if kind_of(unit) == _SPS]
    kinds = {kind_of(unit) for unit in parameters if not _is_harmless(unit)}
    if len(sets) != 1 or kinds != {*PARAMETERS}:
        raise OnlyLibav
    known = trimmed(parameters)
    for unit in nal_units(data, length_size):
        if kind_of(unit) in IRAP and len(unit) > 2:
            return _look(sets[0])
        if not (_is_harmless(unit) or trimmed([unit]) <= known):
            break
    raise OnlyLibav


def _is_harmless(unit: bytes) -> bool:
    """Return whether a NAL unit is none of a picture and changes nothing of its looks."""
    kind = kind_of(unit)
    return kind == _DELIMITER or (kind == _SEI and not sei_kinds(unit[2:]) & SEI_OF_LOOKS)


def _look(unit: bytes) -> Look:
    if len(unit) > _SPS_BYTES:
        raise OnlyLibav
    return _read(unit)


@lru_cache(maxsize=64)
def _read(unit: bytes) -> Look:
    """Read a unit; clips of one camera have the same."""
    bits = Bits(unescaped(unit[2:]))
    bits.u(4)
    more_layers = bits.u(3)
    bits.u(1)
    _skip_profiles(bits, more_layers)
    bits.ue()
    chroma = bits.ue()
    if chroma not in CROP_UNITS or (chroma == 3 and bits.u(1)):
        raise OnlyLibav
    width, height = bits.ue(), bits.ue()
    left, right, top, bottom = (bits.ue() for _ in range(4)) if bits.u(1) else (0, 0, 0, 0)
    depth = 8 + bits.ue()
    if depth != 8 + bits.ue():
        raise OnlyLibav
    vui = _vui_behind_tools(bits, more_layers)
    if bits.is_overread:
        raise OnlyLibav
    pix_fmt = yuv_format(chroma, depth)
    if pix_fmt == "yuv420p" and vui.color_range == FULL:
        pix_fmt = "yuvj420p"
    across, down = CROP_UNITS[chroma]
    return Look(
        width=width - across * (left + right),
        height=height - down * (top + bottom),
        pix_fmt=pix_fmt,
        bit_depth=depth,
        aspect=vui.aspect,
        # Other than that of H.264, the decoder takes nothing of the container's.
        color_matrix=UNSPECIFIED if vui.color_matrix is None else vui.color_matrix,
        color_range=vui.color_range or LIMITED,
        color_transfer=UNSPECIFIED if vui.color_transfer is None else vui.color_transfer,
    )


def _skip_profiles(bits: Bits, more_layers: int) -> None:
    """Skip profile, tier and level, general and of each further temporal layer (7.3.3)."""
    bits.u(96)
    present = [(bits.u(1), bits.u(1)) for _ in range(more_layers)]
    bits.u(2 * (8 - more_layers) if more_layers else 0)
    for has_profile, has_level in present:
        bits.u(88 * has_profile + 8 * has_level)


def _vui_behind_tools(bits: Bits, more_layers: int) -> Vui:
    """Skip what the encoder uses, up to the video usability information."""
    order_bits = 4 + bits.ue()
    for _ in range(more_layers + 1 if bits.u(1) else 1):
        bits.ue(), bits.ue(), bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.u(1) and bits.u(1):  # scaling lists
        raise OnlyLibav
    bits.u(2)
    if bits.u(1):
        bits.u(8), bits.ue(), bits.ue(), bits.u(1)
    _skip_reference_sets(bits)
    if bits.u(1):
        for _ in range(min(bits.ue(), _MAX_SETS)):
            bits.u(order_bits + 1)
    bits.u(2)
    return read_vui(bits) if bits.u(1) else Vui()


def _skip_reference_sets(bits: Bits) -> None:
    """Skip sets of reference pictures, some of which are told by their difference (7.3.7)."""
    pictures = 0
    for number in range(min(bits.ue(), _MAX_SETS)):
        if number and bits.u(1):
            bits.u(1), bits.ue()
            pictures = sum(bits.u(1) or bits.u(1) for _ in range(pictures + 1))
        else:
            pictures = bits.ue() + bits.ue()
            for _ in range(min(pictures, _MAX_PICTURES)):
                bits.ue(), bits.u(1)
        if pictures > _MAX_PICTURES:
            raise OnlyLibav
