"""What a codec's own headers say that its pictures look like."""

from fractions import Fraction
from typing import Final

from msgspec import Struct

from shardmill_worker.engine.colour_names import RGB
from shardmill_worker.engine.source import OnlyLibav

CROP_UNITS: Final = {1: (2, 2), 2: (2, 1), 3: (1, 1)}
"""Luma samples in a step of cropping, across and down, by chroma format."""
_SAMPLINGS: Final = {1: 420, 2: 422, 3: 444}
_DEPTHS: Final = {8: "", 10: "10le", 12: "12le"}


class Look(Struct, frozen=True):
    """What a decoder would say of the first picture, without decoding it.

    A colour tag of None is left to the container.
    """

    width: int
    height: int
    pix_fmt: str
    bit_depth: int
    aspect: Fraction | None = None
    """Width to height of a stored pixel, None if the codec does not say it."""
    color_matrix: int | None = None
    """AVColorSpace."""
    color_range: int | None = None
    """AVColorRange."""
    color_transfer: int | None = None
    """AVColorTransferCharacteristic."""

    def __post_init__(self) -> None:
        """Refuse what has rules of its own.

        Raises:
            OnlyLibav: The pictures are RGB, or have no size.
        """
        if self.color_matrix == RGB or self.width <= 0 or self.height <= 0:
            raise OnlyLibav


def yuv_format(chroma: int, depth: int) -> str:
    """Return FFmpeg's name of a planar format.

    Args:
        chroma: 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4 (ITU-T H.264, table 6-1).
        depth: Bits a component.

    Raises:
        OnlyLibav: The format is rare.
    """
    if chroma not in _SAMPLINGS or depth not in _DEPTHS:
        raise OnlyLibav
    return f"yuv{_SAMPLINGS[chroma]}p" + _DEPTHS[depth]
