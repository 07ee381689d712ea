"""What the parameter sets of H.264 say that pictures look like."""

from typing import Final

from shardmill_worker.engine.bitstream.h264 import avcc_parameters, kind_of, length_bytes
from shardmill_worker.engine.bitstream.h264_sps import Sps, read_sps
from shardmill_worker.engine.bitstream.nal import SEI_OF_LOOKS, nal_units, sei_kinds, trimmed
from shardmill_worker.engine.colour_names import FULL
from shardmill_worker.engine.looks.look import CROP_UNITS, Look, yuv_format
from shardmill_worker.engine.source import OnlyLibav

_IDR, _SEI, _SPS, _PPS, _DELIMITER = 5, 6, 7, 8, 9
_DEPTHS: Final = frozenset({8, 10})


def h264_look(header: bytes, data: bytes) -> Look:
    """Return what pictures look like that begin at an IDR picture.

    Args:
        header: The avcC box.
        data: The first packet, at least up to its first slice.

    Raises:
        OnlyLibav: There are several parameter sets to choose from, or messages that count.
    """
    length_size = length_bytes(header)
    if not length_size:
        raise OnlyLibav
    parameters = avcc_parameters(header)
    sets = [unit for unit in parameters if kind_of(unit) == _SPS]
    if len(sets) != 1 or len(parameters) < 2:
        raise OnlyLibav
    known = trimmed(parameters)
    for unit in nal_units(data, length_size):
        kind = kind_of(unit)
        if kind == _IDR and len(unit) > 1:
            return _look(read_sps(sets[0]))
        if kind in (_SPS, _PPS) and trimmed([unit]) <= known:
            continue
        if kind == _DELIMITER or (kind == _SEI and not sei_kinds(unit[1:]) & SEI_OF_LOOKS):
            continue
        break
    raise OnlyLibav


def _look(sps: Sps) -> Look:
    depth = sps.luma_depth
    if not sps.is_whole or depth not in _DEPTHS or depth != sps.chroma_depth:
        raise OnlyLibav
    pix_fmt = yuv_format(sps.chroma, depth)
    if depth == 8 and sps.vui.color_range == FULL:
        pix_fmt = pix_fmt.replace("yuv", "yuvj")
    left, right, top, bottom = sps.crop
    across, down = CROP_UNITS[sps.chroma]
    return Look(
        width=sps.width - across * (left + right),
        height=sps.height - down * (2 if sps.has_fields else 1) * (top + bottom),
        pix_fmt=pix_fmt,
        bit_depth=depth,
        aspect=sps.vui.aspect,
        color_matrix=sps.vui.color_matrix,
        color_range=sps.vui.color_range,
        color_transfer=sps.vui.color_transfer,
    )
