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
from numpy.typing import NDArray

from shardmill.contract.options.geometry import Placement, Size
from shardmill.contract.spec import Spec
from shardmill_worker.engine import encode
from shardmill_worker.engine.at_once import COLOUR_SPACES, FORMATS, AtOnce
from shardmill_worker.engine.chroma import Box, Sampling, covering, sampling_of, thinned, within
from shardmill_worker.engine.colour import JFIF, Colour, Planes, colour_of, to_jfif, to_rgb
from shardmill_worker.engine.faults import media_faults
from shardmill_worker.engine.formats.exif import UPRIGHT, Orientation
from shardmill_worker.engine.pixels import PixelReader, Pixels, view
from shardmill_worker.engine.resize import resize, suits_libswscale
from shardmill_worker.engine.stopwatch import Stopwatch

Array = NDArray[np.uint8]
_Scaled = tuple[Planes, Colour | None]
"""Planes and what they stand for; one of RGB, shape (H, W, 3), and None."""
_BLACK: Final = 0
_NO_COLOUR: Final = 128
_STORED_SAMPLINGS: Final = {Sampling(x, y) for x in (1, 2) for y in (1, 2)}
"""Those that a stored JPEG keeps; of others U and V become as large as Y."""
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
    box: Box
    """The part that is taken, stored pixels."""

    @property
    def taken(self) -> Size:
        """The size of the part that is taken, stored pixels."""
        return Size(self.box.right - self.box.left, self.box.bottom - self.box.top)

    @property
    def scaled(self) -> Size:
        """The size to scale to, before the turn."""
        scaled = self.placement.scaled
        return Size(scaled.height, scaled.width) if self.orientation.swaps_sides else scaled

    def keeps_samples(self, sampling: Sampling) -> bool:
        """Return whether frames hold stored samples: nothing is scaled, turned or shifted."""
        upright = self.orientation == UPRIGHT
        return upright and self.scaled == self.taken and self.box.begins_on(sampling)


class PictureMaker:
    """Makes the stored frames of one clip; all have the size that the first one gets.

    Later pictures of another display size are brought onto it as the geometry has it, with their
    aspect kept.

    Args:
        spec: What frames are to look like.
        orientation: How the stored pictures lie.
        stopwatch: Is told what time is spent on.
        first: Display size of the picture that decides the size; None for the first that is made.
    """

    def __init__(
        self,
        spec: Spec,
        orientation: Orientation,
        stopwatch: Stopwatch | None = None,
        *,
        first: Size | None = None,
    ) -> None:
        self._spec = spec
        self._watch = stopwatch or Stopwatch()
        self._geometry = spec.geometry
        self._orientation = orientation
        self._reader = PixelReader()
        self._look: tuple[object, ...] = ()
        self._framing: _Framing | None = None
        self._at_once: AtOnce | None = None
        self._display = first
        self._size = None if first is None else self._geometry.place(first).canvas
        self.size_changes = 0
        """How often the display size was another than that of the frame before."""

    @property
    def size(self) -> Size:
        """The size of every stored frame, known after the first."""
        assert self._size is not None, "no frame was made yet"
        return self._size

    def make(self, frame: av.VideoFrame, sample_aspect: Fraction) -> bytes:
        """Return the encoded picture.

        Args:
            frame: The decoded picture.
            sample_aspect: Width to height of its pixels.

        Raises:
            ItemError: The frame cannot be converted, or is too large for its encoding.
        """
        with media_faults("The frame cannot be converted"):
            framing = self._frame(frame, sample_aspect)
            if self._at_once:
                planes, colour = self._scaled_at_once(frame, self._at_once)
            else:
                planes, colour = self._scaled_by_planes(frame, framing)
            self._watch.was("scale")
            encoded = self._encoded(planes, colour, framing.placement)
            self._watch.was("encode")
            return encoded

    def leaves_as_it_is(self, frame: av.VideoFrame, sample_aspect: Fraction) -> bool:
        """Return whether a frame is stored at its own size: nothing scaled, cut off or added."""
        framing = self._frame(frame, sample_aspect)
        whole = framing.box == Box(0, 0, frame.width, frame.height)
        placement = framing.placement
        return whole and placement.scaled == placement.canvas == framing.stored

    def _frame(self, frame: av.VideoFrame, sample_aspect: Fraction) -> _Framing:
        look = (
            *(frame.width, frame.height, sample_aspect),
            *(frame.format.name, frame.colorspace, frame.color_range),
        )
        if self._framing is not None and look == self._look:
            return self._framing
        stored = Size(frame.width, frame.height)
        display = self._orientation.display_size(stored, sample_aspect)
        self.size_changes += self._display not in {None, display}
        self._display = display
        placement = self._geometry.place(display)
        self._size = self._size or placement.canvas
        if placement.canvas != self.size:
            placement = self._geometry.onto(self.size).place(display)
        self._framing = _framing(stored, self._orientation, display, placement)
        whole_colour = self._needs_whole_colour(placement)
        self._at_once = None if whole_colour else _at_once(frame, self._framing)
        self._look = look
        return self._framing

    def _needs_whole_colour(self, placement: Placement) -> bool:
        """Return whether U and V must become as large as Y: for RGB, or to lie at an odd offset."""
        return self._spec.encoding != "jpeg" or placement.canvas != placement.scaled

    def _scaled_at_once(self, frame: av.VideoFrame, at_once: AtOnce) -> _Scaled:
        turned = tuple(_turned(view(p), self._orientation) for p in at_once(frame).planes)
        return turned, JFIF if at_once.widens else colour_of(frame)

    def _scaled_by_planes(self, frame: av.VideoFrame, framing: _Framing) -> _Scaled:
        pixels = self._reader.read(frame)
        sampling = pixels.sampling
        if self._needs_whole_colour(framing.placement) or sampling not in _STORED_SAMPLINGS:
            planes = _turned_planes(_scaled(pixels, framing, whole_colour=True), framing)
        elif framing.keeps_samples(sampling):
            planes = _cut(pixels.planes, framing.box, sampling)
        elif sampling.divides(framing.scaled):
            planes = _turned_planes(_scaled(pixels, framing, whole_colour=False), framing)
        else:
            planes = _turned_planes(_scaled(pixels, framing, whole_colour=True), framing)
            turned = sampling.turned if framing.orientation.swaps_sides else sampling
            planes = (planes[0], *(thinned(plane, turned) for plane in planes[1:]))
        return planes, pixels.colour

    def _encoded(self, planes: Planes, colour: Colour | None, placement: Placement) -> bytes:
        spec = self._spec
        if spec.encoding == "jpeg" and colour is not None:
            jfif = _padded_planes(_three(to_jfif(planes, colour)), placement)
            self._watch.was("colour")
            return encode.jpeg_from_planes(jfif, spec.quality)
        rgb = planes[0] if colour is None else to_rgb(planes, colour)
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
        box=Box(
            left=left,
            top=top,
            right=max(left + 1, round((x + width) * across)),
            bottom=max(top + 1, round((y + height) * down)),
        ),
    )


def _at_once(frame: av.VideoFrame, framing: _Framing) -> AtOnce | None:
    """Return how all planes shrink together; None if they are not of the usual kind."""
    if frame.format.name not in FORMATS or frame.colorspace not in COLOUR_SPACES:
        return None
    sampling = sampling_of(frame.format)
    x, y = sampling.columns, sampling.rows
    taken, scaled = framing.taken, framing.scaled
    shrinks = scaled.width <= taken.width and scaled.height <= taken.height and scaled != taken
    if not (shrinks and sampling.divides(taken) and sampling.divides(scaled)):
        return None
    taken_uv = Size(taken.width // x, taken.height // y)
    scaled_uv = Size(scaled.width // x, scaled.height // y)
    if not (suits_libswscale(taken, scaled) and suits_libswscale(taken_uv, scaled_uv)):
        return None
    colour = colour_of(frame)
    return AtOnce(
        format=frame.format.name,
        source=framing.stored,
        colour_space=frame.colorspace,
        colour_range=frame.color_range,
        left=framing.box.left,
        top=framing.box.top,
        taken=taken,
        size=scaled,
        widens=colour.is_bt601 and not colour.full_range,
    )


def _cut(planes: Planes, box: Box, sampling: Sampling) -> Planes:
    """Return the part of each plane that lies in a box, which begins on a sample of U and V."""
    luma, *rest = planes
    return (
        luma[box.top : box.bottom, box.left : box.right],
        *(covering(plane, box, sampling) for plane in rest),
    )


def _scaled(pixels: Pixels, framing: _Framing, *, whole_colour: bool) -> Planes:
    """Return the part that is taken of each plane, at its new size."""
    box, sampling, scaled = framing.box, pixels.sampling, framing.scaled
    luma, *rest = pixels.planes
    small = Size(scaled.width // sampling.columns, scaled.height // sampling.rows)
    size = scaled if whole_colour else small
    return (
        resize(luma[box.top : box.bottom, box.left : box.right], scaled),
        *(resize(within(plane, box, sampling), size) for plane in rest),
    )


def _turned_planes(planes: Planes, framing: _Framing) -> Planes:
    return tuple(_turned(plane, framing.orientation) for plane in planes)


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
