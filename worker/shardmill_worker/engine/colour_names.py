"""FFmpeg's names for the colour tags of a frame; an unspecified tag has none."""

from collections.abc import Mapping
from typing import Final

MATRICES: Final = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
"""AVColorSpace."""
TRANSFERS: Final = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
"""AVColorTransferCharacteristic."""
RANGES: Final = {1: "tv", 2: "pc"}
"""AVColorRange: limited and full."""
HDR_TRANSFERS: Final = frozenset({"smpte2084", "arib-std-b67"})
"""PQ and HLG."""
UNSPECIFIED: Final = 2
"""The number of a matrix or a transfer curve that names none."""
LIMITED, FULL = 1, 2
RGB: Final = 0
"""The matrix of pictures that are no Y, U and V."""


def known(number: int, names: Mapping[int, str]) -> int:
    """Return a tag that has a name, ``UNSPECIFIED`` for any other, as FFmpeg does."""
    return number if number in names else UNSPECIFIED
