"""What YUV numbers mean, and turning them into JPEG's kind of YUV or into RGB.

JPEG (JFIF) is BT.601 at full range.  Video at BT.601 differs from that in range alone, which
a table mends; any other matrix takes one multiplication a pixel, done on the small picture.
"""

from functools import cache
from typing import Final

import av
import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shardmill_worker.engine.chroma import Plane, like_luma

Planes = tuple[Plane, ...]
"""Y alone, or Y, U and V."""

_BT601: Final = (0.299, 0.114)
_WEIGHTS: Final = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}
"""AVColorSpace to the weights of red and blue in Y; all else is BT.601, as in FFmpeg."""
_LIMITED_RANGE: Final = 1
_FULL_RANGE: Final = 2


class Colour(Struct, frozen=True):
    """What the numbers of Y, U and V stand for."""

    red: float
    """Weight of red in Y."""
    blue: float
    """Weight of blue in Y."""
    full_range: bool
    """True for 0 to 255; False for 16 to 235 (Y) and 16 to 240 (U, V)."""

    @property
    def is_bt601(self) -> bool:
        """Whether no matrix leads to JPEG's YUV."""
        return (self.red, self.blue) == _BT601


JFIF: Final = Colour(*_BT601, full_range=True)


def colour_of(frame: av.VideoFrame) -> Colour:
    """Return what the frame is tagged with, or FFmpeg's default: BT.601 at limited range.

    Grey is full range by default, as in FFmpeg, and ``yuvj`` formats are whatever the tag.
    """
    red, blue = _WEIGHTS.get(frame.colorspace, _BT601)
    name, tagged = frame.format.name, frame.color_range
    full = tagged == _FULL_RANGE or name.startswith("yuvj")
    full |= name.startswith("gray") and tagged != _LIMITED_RANGE
    return Colour(red, blue, full_range=full)


def to_jfif(planes: Planes, colour: Colour) -> Planes:
    """Return the planes as BT.601 at full range; U and V keep their size."""
    no_matrix = len(planes) == 1 or colour.is_bt601
    if no_matrix and colour.full_range:
        return planes
    if no_matrix:
        luma, chroma = _range_tables()
        return tuple(cv2.LUT(p, chroma if i else luma) for i, p in enumerate(planes))  # type: ignore[misc]
    y, u, v = planes
    (to_y, u_to_y, v_to_y, add_y), *to_uv = _jfif_from(colour)
    # U and V are mixed at their own size, where there are fewest of them; 128 keeps it in range.
    middle = 128 * (u_to_y + v_to_y) - 128
    share = cv2.addWeighted(u, u_to_y, v, v_to_y, -middle)
    share = like_luma(share, y)  # type: ignore[arg-type]
    full_y = cv2.addWeighted(y, to_y, share, 1, add_y + middle)
    full_uv = [cv2.addWeighted(u, from_u, v, from_v, add) for _, from_u, from_v, add in to_uv]
    return (full_y, *full_uv)  # type: ignore[arg-type]


def to_rgb(planes: Planes, colour: Colour) -> NDArray[np.uint8]:
    """Return RGB, shape (H, W, 3), uint8; U and V are enlarged to the size of Y."""
    if len(planes) == 1:
        (y,) = planes if colour.full_range else (cv2.LUT(planes[0], _range_tables()[0]),)
        return cv2.merge([y, y, y])  # type: ignore[return-value]
    whole = [like_luma(plane, planes[0]) for plane in planes]
    return cv2.transform(cv2.merge(whole), _rgb_from(colour))  # type: ignore[return-value]


@cache
def _range_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the tables from limited to full range, for Y and for U and V; shape (256,)."""
    code = np.arange(256)
    luma = (code - 16) * 255 / 219
    chroma = (code - 128) * 255 / 224 + 128
    return _bytes(luma), _bytes(chroma)


def _bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@cache
def _rgb_from(colour: Colour) -> NDArray[np.float64]:
    """Return the affine map from Y, U, V to R, G, B; shape (3, 4), its last column added."""
    red, blue = colour.red, colour.blue
    green = 1 - red - blue
    matrix = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    scale, origin = np.array([1.0, 1.0, 1.0]), np.array([0.0, 128.0, 128.0])
    if not colour.full_range:
        scale, origin = np.array([255 / 219, 255 / 224, 255 / 224]), np.array([16.0, 128.0, 128.0])
    matrix = matrix * scale
    return np.column_stack([matrix, -matrix @ origin])


@cache
def _jfif_from(colour: Colour) -> NDArray[np.float64]:
    """Return the affine map from Y, U, V to JFIF's; shape (3, 4), its last column added."""
    to_rgb_, from_rgb = _rgb_from(colour), np.linalg.inv(_rgb_from(JFIF)[:, :3])
    combined = from_rgb @ to_rgb_
    combined[:, 3] += (0, 128, 128)
    return combined
