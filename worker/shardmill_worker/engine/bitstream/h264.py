"""H.264: ITU-T H.264 7.3."""

from typing import Final

from shardmill_worker.engine.bitstream.h264_sps import read_sps
from shardmill_worker.engine.bitstream.nal import ParameterSets, boxed_units, nal_units
from shardmill_worker.engine.bitstream.role import NEEDED, SPARE, START, Inspector, Role

_SLICE, _IDR, _SEI, _SPS = 1, 5, 6, 7
_PARAMETERS: Final = (_SPS, 8)
_KNOWN: Final = frozenset({_SLICE, _IDR, _SEI, _SPS, 8, 9, 10, 11, 12, 13})


def h264(header: bytes) -> Inspector | None:
    """Start at IDR pictures alone; a picture that is no reference is spare."""
    length_size = length_bytes(header)
    parameters = avcc_parameters(header) if length_size else list(nal_units(header, 0))
    if any(kind_of(unit) == _SPS and read_sps(unit).has_fields for unit in parameters):
        return None
    known = ParameterSets(unit for unit in parameters if kind_of(unit) in _PARAMETERS)

    def inspect(data: bytes) -> Role | None:
        has_slice = is_reference = is_idr = False
        sets: list[bytes] = []
        for unit in nal_units(data, length_size):
            kind = kind_of(unit)
            if kind not in _KNOWN or (kind == _SPS and read_sps(unit).has_fields):
                return None
            if kind in _PARAMETERS:
                sets.append(unit)
            if kind in (_SLICE, _IDR):
                has_slice = True
                is_idr |= kind == _IDR
                is_reference |= unit[0] & 0x60 > 0
        if not known.are_kept_by(sets) or not has_slice:
            return None
        return START if is_idr else NEEDED if is_reference else SPARE

    return inspect


def avcc_parameters(header: bytes) -> list[bytes]:
    """Return the sequence and picture parameter sets of an avcC box."""
    sequence, position = boxed_units(header, 6, header[5] & 31)
    picture, _ = boxed_units(header, position + 1, (header[position : position + 1] or b"\0")[0])
    return sequence + picture


def kind_of(unit: bytes) -> int:
    """Return the type of a NAL unit, 0 for an empty one."""
    return unit[0] & 31 if unit else 0


def is_slice(unit: bytes) -> bool:
    """Return whether a NAL unit is a part of a picture."""
    return kind_of(unit) in (_SLICE, _IDR)


def is_message(unit: bytes) -> bool:
    """Return whether a NAL unit is supplemental information."""
    return kind_of(unit) == _SEI


def length_bytes(header: bytes) -> int:
    """Return how many bytes tell a NAL unit's length; 0 where start codes part them."""
    return (header[4] & 3) + 1 if len(header) > 6 and header[0] == 1 else 0
