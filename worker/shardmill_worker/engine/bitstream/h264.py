"""H.264: ITU-T H.264 7.3."""

from typing import Final

from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.nal import ParameterSets, boxed_units, nal_units
from shardmill_worker.engine.bitstream.role import NEEDED, SPARE, START, Inspector, Role

_SLICE, _IDR, _SEI, _SPS = 1, 5, 6, 7
_PARAMETERS: Final = (_SPS, 8)
_KNOWN: Final = frozenset({_SLICE, _IDR, _SEI, _SPS, 8, 9, 10, 11, 12, 13})


def h264(header: bytes) -> Inspector | None:
    """Start at IDR pictures alone; a picture that is no reference is spare."""
    length_size = length_bytes(header)
    parameters = _avcc_parameters(header) if length_size else list(nal_units(header, 0))
    if any(_kind(unit) == _SPS and _has_fields(unit) for unit in parameters):
        return None
    known = ParameterSets(unit for unit in parameters if _kind(unit) in _PARAMETERS)

    def inspect(data: bytes) -> Role | None:
        has_slice = is_reference = is_idr = False
        sets: list[bytes] = []
        for unit in nal_units(data, length_size):
            kind = _kind(unit)
            if kind not in _KNOWN or (kind == _SPS and _has_fields(unit)):
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


def _avcc_parameters(header: bytes) -> list[bytes]:
    """Return the sequence and picture parameter sets of an avcC box."""
    sequence, position = boxed_units(header, 6, header[5] & 31)
    picture, _ = boxed_units(header, position + 1, (header[position : position + 1] or b"\0")[0])
    return sequence + picture


def _kind(unit: bytes) -> int:
    return unit[0] & 31 if unit else 0


_WITH_CHROMA_FORMAT: Final = frozenset(
    {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
)
"""Profiles whose parameter sets tell the chroma format."""
_SPS_BYTES: Final = 4096
"""More than any parameter set needs; what is longer is hostile."""


def _has_fields(unit: bytes) -> bool:
    """Return whether an H.264 sequence parameter set allows pictures of single fields.

    A stream of them may spread one shown picture over two packets.
    """
    bits = Bits(unit[1:_SPS_BYTES].replace(b"\0\0\3", b"\0\0"))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.ue()
        bits.u(1 if chroma == 3 else 0)
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    return not bits.u(1)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def is_slice(unit: bytes) -> bool:
    """Return whether a NAL unit is a part of a picture."""
    return _kind(unit) in (_SLICE, _IDR)


def length_bytes(header: bytes) -> int:
    """Return how many bytes tell a NAL unit's length; 0 where start codes part them."""
    return (header[4] & 3) + 1 if len(header) > 6 and header[0] == 1 else 0
