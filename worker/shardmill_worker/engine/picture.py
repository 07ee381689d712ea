"""From a decoded frame to a stored one: crop, scale, turn, colour, pad, encode.

A JPEG of a YUV source never passes through RGB: its planes are scaled, all at once where they are
of the usual kind, and handed to the encoder.  Turning and colour come after the scaling, when there
is least to do.
"""

from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from shardmill.contract.geometry import Placement, Size
from shardmill.contract.spec import Spec
from shardmill_worker.engine import encode
from shardmill_worker.engine.at_once import COLOUR_SPACES, FORMATS, AtOnce
from shardmill_worker.engine.colour import JFIF, Planes, colour_of, to_jfif, to_rgb
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.orientation import Orientation
from shardmill_worker.engine.pixels import PixelReader, Pixels, view
from shardmill_worker.engine.resize import resize, suits_libswscale
from shardmill_worker.engine.stopwatch import Stopwatch

Array = NDArray[np.uint8]
_BLACK: Final = 0
_NO_COLOUR: Final = 128
_TURNS: Final = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


class _Framing(Struct, frozen=True):
    """How pictures of one stored size become frames."""

    stored: Size
    orientation: Orientation
    placement: Placement
    left: int
    """First stored column that is taken."""
    top: int
    """First stored row that is taken."""
    right: int
    """End of the stored columns that are taken (exclusive)."""
    bottom: int
    """End of the stored rows that are taken (exclusive)."""

    @property
    def taken(self) -> Size:
        """The size of the part that is taken, stored pixels."""
        return Size(self.right - self.left, self.bottom - self.top)

    @property
    def scaled(self) -> Size:
        """The size to scale to, before the turn."""
        scaled = self.placement.scaled
        return Size(scaled.height, scaled.width) if self.orientation.swaps_sides else scaled


class PictureMaker:
    """Makes the stored frames of one clip; all have the size that the first one gets."""

    def __init__(
        self,
        spec: Spec,
        orientation: Orientation,
        sample_aspect: Fraction,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._spec = spec
        self._watch = stopwatch or Stopwatch()
        self._geometry = spec.geometry
        self._orientation = orientation
        self._sample_aspect = sample_aspect
        self._reader = PixelReader()
        self._look: tuple[object, ...] = ()
        self._framing: _Framing | None = None
        self._at_once: AtOnce | None = None

    @property
    def size(self) -> Size:
        """The size of every stored frame, known after the first."""
        assert self._framing is not None, "no frame was made yet"
        return self._framing.placement.canvas

    def make(self, frame: av.VideoFrame) -> bytes:
        """Return the encoded picture.

        Raises:
            ItemError: The frame cannot be converted, or is too large for its encoding.
        """
        with media_faults("The frame cannot be converted"):
            framing = self._frame(frame)
            if self._at_once:
                pixels = self._scaled_at_once(frame, self._at_once)
            else:
                pixels = self._scaled_by_planes(frame, framing)
            self._watch.was("scale")
            encoded = self._encoded(pixels, framing.placement)
            self._watch.was("encode")
            return encoded

    def leaves_as_it_is(self, frame: av.VideoFrame) -> bool:
        """Tell whether a frame is stored at its own size: nothing scaled, cut off or added."""
        framing = self._frame(frame)
        taken = (framing.left, framing.top, framing.right, framing.bottom)
        whole = taken == (0, 0, frame.width, frame.height)
        placement = framing.placement
        return whole and placement.scaled == placement.canvas == framing.stored

    def _frame(self, frame: av.VideoFrame) -> _Framing:
        look = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if self._framing is not None and look == self._look:
            return self._framing
        stored = Size(frame.width, frame.height)
        display = self._orientation.display_size(stored, self._sample_aspect)
        placement = self._geometry.place(display)
        if self._framing is not None:
            first = self._framing.placement
            placement = replace(placement, scaled=first.scaled, canvas=first.canvas)
        self._framing = _framing(stored, self._orientation, display, placement)
        whole_colour = self._needs_whole_colour(placement)
        self._at_once = None if whole_colour else _at_once(frame, self._framing)
        self._look = look
        return self._framing

    def _needs_whole_colour(self, placement: Placement) -> bool:
        """Return whether U and V must become as large as Y: for RGB, or to lie at an odd offset."""
        return self._spec.encoding != "jpeg" or placement.canvas != placement.scaled

    def _scaled_at_once(self, frame: av.VideoFrame, at_once: AtOnce) -> Pixels:
        turned = tuple(_turned(view(p), self._orientation) for p in at_once(frame).planes)
        return Pixels(turned, JFIF if at_once.widens else colour_of(frame))

    def _scaled_by_planes(self, frame: av.VideoFrame, framing: _Framing) -> Pixels:
        pixels = self._reader.read(frame)
        whole = self._needs_whole_colour(framing.placement)
        uneven = not whole and _is_uneven(pixels.planes, framing)
        planes = _scaled(pixels.planes, framing, whole_colour=whole or uneven)
        planes = tuple(_turned(plane, framing.orientation) for plane in planes)
        if uneven:
            planes = _thinned(planes, pixels.planes, framing)
        return Pixels(planes, pixels.colour)

    def _encoded(self, pixels: Pixels, placement: Placement) -> bytes:
        spec, planes = self._spec, pixels.planes
        if spec.encoding == "jpeg" and pixels.colour is not None:
            jfif = _padded_planes(_three(to_jfif(planes, pixels.colour)), placement)
            self._watch.was("colour")
            return encode.jpeg_from_planes(jfif, spec.quality)
        rgb = planes[0] if pixels.colour is None else to_rgb(planes, pixels.colour)
        rgb = _padded(rgb, placement, _BLACK)
        self._watch.was("colour")
        if spec.encoding == "jpeg":
            return encode.jpeg_from_rgb(rgb, spec.quality)
        return encode.png(rgb) if spec.encoding == "png" else encode.raw(rgb)


def _framing(
    stored: Size, orientation: Orientation, display: Size, placement: Placement
) -> _Framing:
    """Undo the orientation of the crop and express it in stored pixels."""
    x, y = placement.crop_x, placement.crop_y
    width, height = placement.crop.width, placement.crop.height
    if orientation.mirrored:
        x = display.width - x - width
    if orientation.rotation_deg in (180, 270):  # 270 is 90 and 180
        x, y = display.width - x - width, display.height - y - height
    if orientation.swaps_sides:
        x, y, width, height = y, display.width - x - width, height, width
        display = Size(display.height, display.width)
    across, down = stored.width / display.width, stored.height / display.height
    left, top = round(x * across), round(y * down)
    return _Framing(
        stored=stored,
        orientation=orientation,
        placement=placement,
        left=left,
        top=top,
        right=max(left + 1, round((x + width) * across)),
        bottom=max(top + 1, round((y + height) * down)),
    )


def _at_once(frame: av.VideoFrame, framing: _Framing) -> AtOnce | None:
    """Return how all planes shrink together; None if they are not of the usual kind."""
    if frame.format.name not in FORMATS or frame.colorspace not in COLOUR_SPACES:
        return None
    x, y = 8 // frame.format.chroma_width(8), 8 // frame.format.chroma_height(8)
    taken, scaled = framing.taken, framing.scaled
    shrinks = scaled.width <= taken.width and scaled.height <= taken.height and scaled != taken
    if not shrinks or scaled.width % x or scaled.height % y:
        return None
    taken_uv = Size(-(-taken.width // x), -(-taken.height // y))
    scaled_uv = Size(scaled.width // x, scaled.height // y)
    if not (suits_libswscale(taken, scaled) and suits_libswscale(taken_uv, scaled_uv)):
        return None
    colour = colour_of(frame)
    return AtOnce(
        format=frame.format.name,
        source=framing.stored,
        colour_space=frame.colorspace,
        colour_range=frame.color_range,
        left=framing.left - framing.left % x,
        top=framing.top - framing.top % y,
        taken=taken,
        size=scaled,
        widens=colour.is_bt601 and not colour.full_range,
    )


def _scaled(planes: Planes, framing: _Framing, *, whole_colour: bool) -> Planes:
    """Return the part that is taken of each plane, at its new size."""
    stored, scaled = framing.stored, framing.scaled
    steps = [_steps(stored, plane) for plane in planes]
    # U and V must begin where Y does: an odd beginning moves by one.
    shift_x = framing.left % max(x for x, _ in steps)
    shift_y = framing.top % max(y for _, y in steps)
    left, right = framing.left - shift_x, framing.right - shift_x
    top, bottom = framing.top - shift_y, framing.bottom - shift_y
    taken = [
        plane[top // y : -(-bottom // y), left // x : -(-right // x)]
        for plane, (x, y) in zip(planes, steps, strict=True)
    ]
    if whole_colour:
        return tuple(resize(plane, scaled) for plane in taken)
    return tuple(
        resize(plane, Size(-(-scaled.width // x), -(-scaled.height // y)))
        for plane, (x, y) in zip(taken, steps, strict=True)
    )


def _is_uneven(planes: Planes, framing: _Framing) -> bool:
    """Return whether the last samples of U and V stand for less of the picture than the others."""
    steps = (_steps(framing.stored, plane) for plane in planes)
    return any(framing.scaled.width % x or framing.scaled.height % y for x, y in steps)


def _thinned(planes: Planes, source: Planes, framing: _Framing) -> Planes:
    """Return whole planes with U and V as sparse as the source has them, counted from the top left.

    The last column and row are repeated, so that every sample stands for as much as the others.
    """
    thinned = []
    for plane, stored in zip(planes, source, strict=True):
        x, y = _steps(framing.stored, stored)
        if framing.orientation.swaps_sides:
            x, y = y, x
        height, width = plane.shape
        right, below = -width % x, -height % y
        even = cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REPLICATE)
        thinned.append(resize(even, Size((width + right) // x, (height + below) // y)))  # type: ignore[arg-type]
    return tuple(thinned)


def _steps(stored: Size, plane: Array) -> tuple[int, int]:
    """Return how many picture columns and rows one sample of the plane covers."""
    return -(-stored.width // plane.shape[1]), -(-stored.height // plane.shape[0])


def _turned(plane: Array, orientation: Orientation) -> Array:
    if orientation.rotation_deg:
        plane = cv2.rotate(plane, _TURNS[orientation.rotation_deg])  # type: ignore[assignment]
    return cv2.flip(plane, 1) if orientation.mirrored else plane  # type: ignore[return-value]


def _three(planes: Planes) -> Planes:
    """Return Y, U and V: every stored JPEG has three components, that of a grey picture too."""
    if len(planes) == 3:
        return planes
    grey = np.full_like(planes[0], _NO_COLOUR)
    return (planes[0], grey, grey)


def _padded_planes(planes: Planes, placement: Placement) -> Planes:
    y, u, v = planes
    return (
        _padded(y, placement, _BLACK),
        _padded(u, placement, _NO_COLOUR),
        _padded(v, placement, _NO_COLOUR),
    )


def _padded(plane: Array, placement: Placement, fill: int) -> Array:
    if placement.canvas == placement.scaled:
        return plane
    canvas = np.full(
        (placement.canvas.height, placement.canvas.width, *plane.shape[2:]), fill, np.uint8
    )
    x, y = placement.offset
    canvas[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
    return canvas
