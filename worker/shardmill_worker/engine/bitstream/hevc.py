"""H.265: ITU-T H.265 7.3."""

from typing import Final

from shardmill_worker.engine.bitstream.nal import ParameterSets, boxed_units, nal_units
from shardmill_worker.engine.bitstream.role import NEEDED, SPARE, START, Inspector, Role

_LAST_SLICE: Final = 31
IRAP: Final = range(16, 22)
PARAMETERS: Final = range(32, 35)
_SEI: Final = 39
_LAST_SUB_LAYER: Final = 14
_ONE_LAYER: Final = 1


def hevc(header: bytes) -> Inspector:
    """Start at intra random access points; spare are sub-layer non-reference pictures.

    These may yet be needed by a higher sub-layer, so none is spare unless there is but one.
    """
    length_size = length_bytes(header)
    one_layer = length_size > 0 and header[21] >> 3 & 7 == _ONE_LAYER
    parameters = hvcc_parameters(header) if length_size else list(nal_units(header, 0))
    known = ParameterSets(unit for unit in parameters if kind_of(unit) in PARAMETERS)

    def inspect(data: bytes) -> Role | None:
        units = [
            unit
            for unit in nal_units(data, length_size)
            if len(unit) > 1 and not (unit[0] & 1 or unit[1] >> 3)  # of the base layer
        ]
        slices = {kind_of(unit) for unit in units if is_slice(unit)}
        sets = [unit for unit in units if kind_of(unit) in PARAMETERS]
        if not known.are_kept_by(sets) or not slices:
            return None
        if all(kind in IRAP for kind in slices):
            return START
        spare = one_layer and all(k <= _LAST_SUB_LAYER and k % 2 == 0 for k in slices)
        return SPARE if spare else NEEDED

    return inspect


def hvcc_parameters(header: bytes) -> list[bytes]:
    """Return the parameter sets of an hvcC box."""
    units: list[bytes] = []
    position = 23
    for _ in range(header[22]):
        count = int.from_bytes(header[position + 1 : position + 3])
        more, position = boxed_units(header, position + 3, count)
        units += more
    return units


def is_slice(unit: bytes) -> bool:
    """Return whether a NAL unit is a part of a picture."""
    return 0 <= kind_of(unit) <= _LAST_SLICE


def is_message(unit: bytes) -> bool:
    """Return whether a NAL unit is supplemental information for the pictures behind it."""
    return kind_of(unit) == _SEI


def length_bytes(header: bytes) -> int:
    """Return how many bytes tell a NAL unit's length; 0 where start codes part them."""
    is_boxed = len(header) > 22 and header[:3] not in (b"\0\0\0", b"\0\0\1")
    return (header[21] & 3) + 1 if is_boxed else 0


def kind_of(unit: bytes) -> int:
    """Return the type of a NAL unit, -1 for an empty one."""
    return unit[0] >> 1 & 63 if unit else -1
