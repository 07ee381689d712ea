"""Where samples of U and V lie, and bringing U and V onto the grid of Y.

A sample of U or V stands for ``columns`` x ``rows`` samples of Y, counted from the top left, and
lies in their middle, as in JPEG.  The last ones reach beyond a picture of odd size.  Scaling such a
plane by the ratio of the planes' sizes would move colours by up to a pixel, so a part whose edges
lie within samples is cut from the enlarged plane.
"""

import av
import cv2
from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray

from shardmill.contract.options.geometry import Size

Plane = NDArray[uint8]
"""Shape (H, W), uint8."""


class Sampling(Struct, frozen=True):
    """How many samples of Y one sample of U and V stands for."""

    columns: int = 1
    rows: int = 1

    @property
    def turned(self) -> "Sampling":
        """The same after a quarter turn."""
        return Sampling(self.rows, self.columns)

    def divides(self, size: Size) -> bool:
        """Return whether whole samples of U and V cover a picture of this size exactly."""
        return not (size.width % self.columns or size.height % self.rows)


class Box(Struct, frozen=True):
    """A part of a picture, in samples of Y."""

    left: int
    top: int
    right: int
    """Exclusive."""
    bottom: int
    """Exclusive."""

    def begins_on(self, sampling: Sampling) -> bool:
        """Return whether its top left corner is that of a sample of U and V."""
        return not (self.left % sampling.columns or self.top % sampling.rows)


def sampling_of(layout: av.VideoFormat) -> Sampling:
    """Return what a sample of U and V stands for; one pixel in a format without them."""
    return Sampling(8 // layout.chroma_width(8), 8 // layout.chroma_height(8))


def covering(plane: Plane, box: Box, sampling: Sampling) -> Plane:
    """Return the samples of U or V that lie in the box, those that reach beyond it included.

    Args:
        plane: U or V, shape (H, W).
        box: It begins on a sample.
        sampling: That of the plane.
    """
    x, y = sampling.columns, sampling.rows
    return plane[box.top // y : -(-box.bottom // y), box.left // x : -(-box.right // x)]


def within(plane: Plane, box: Box, sampling: Sampling) -> Plane:
    """Return exactly the part of U or V in the box.

    Returns:
        Along a side whose ends are those of samples, these samples.  Along any other, one sample
        for each of Y, interpolated.
    """
    height, width = plane.shape
    columns, across, part_x = _along(box.left, box.right, sampling.columns, width)
    rows, down, part_y = _along(box.top, box.bottom, sampling.rows, height)
    part = plane[rows, columns]
    if across == down == 1:
        return part
    size = (part.shape[1] * across, part.shape[0] * down)
    return cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)[part_y, part_x]  # type: ignore[return-value]


def _along(first: int, end: int, step: int, count: int) -> tuple[slice, int, slice]:
    """Return which samples to take along a side, how much to enlarge them, and what to cut out."""
    if not (first % step or end % step):
        return slice(first // step, end // step), 1, slice(None)
    begin = max(0, first // step - 1)  # a neighbour on either side to interpolate with
    return (
        slice(begin, min(count, -(-end // step) + 1)),
        step,
        slice(first - begin * step, end - begin * step),
    )


def like_luma(plane: Plane, luma: Plane) -> Plane:
    """Return U or V with as many samples as Y.

    Args:
        plane: U or V of the whole picture, sampled by at most two along a side.
        luma: Y, shape (H, W).
    """
    height, width = luma.shape
    if plane.shape == luma.shape:
        return plane
    across, down = -(-width // plane.shape[1]), -(-height // plane.shape[0])
    size = (plane.shape[1] * across, plane.shape[0] * down)
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)[:height, :width]  # type: ignore[return-value]


def thinned(plane: Plane, sampling: Sampling) -> Plane:
    """Return U or V of Y's size sampled again, from the top left.

    The last column and row are repeated, so that the last samples reach beyond an odd size.
    """
    x, y = sampling.columns, sampling.rows
    height, width = plane.shape
    whole = cv2.copyMakeBorder(plane, 0, -height % y, 0, -width % x, cv2.BORDER_REPLICATE)
    size = (whole.shape[1] // x, whole.shape[0] // y)
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
