"""What size a frame becomes: pure arithmetic on display sizes, no pixels.

The display size is the size on a screen of square pixels: after rotation and pixel aspect.
A mode turns it into a ``Placement``: which part of the picture is taken, what size that part
is scaled to, and where it lies on the canvas.
"""

import re
from typing import Protocol

from msgspec import Struct

from shardmill.contract.errors import InvalidSpec

MAX_SIDE = 16_384


class Size(Struct, frozen=True):
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str, *, option: str) -> "Size":
        """Read ``WxH``.

        Raises:
            InvalidSpec: The text has another form or leaves [1, 16384].
        """
        match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text)
        size = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not (1 <= size.width <= MAX_SIDE and 1 <= size.height <= MAX_SIDE):
            raise InvalidSpec(
                f"{option} must be WxH with sides in [1, {MAX_SIDE}], as in 160x120, got {text!r}"
            )
        return size

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Placement(Struct, frozen=True, kw_only=True):
    """Take ``crop`` of the displayed picture, scale it to ``scaled``, lay it on ``canvas``."""

    crop_x: int
    crop_y: int
    crop: Size
    """The part that is taken, in display pixels."""
    scaled: Size
    """The size that part becomes."""
    canvas: Size
    """The size of the frame that is stored; larger than ``scaled`` only when padding."""

    @property
    def offset(self) -> tuple[int, int]:
        """Where the scaled part lies on the canvas: x, y from the top left, centred."""
        return (
            (self.canvas.width - self.scaled.width) // 2,
            (self.canvas.height - self.scaled.height) // 2,
        )


class Geometry(Protocol):
    """A way to size frames."""

    def place(self, display: Size) -> Placement:
        """Return what becomes of a picture of this display size."""
        ...

    def onto(self, canvas: Size) -> "Geometry":
        """Return the way to size later pictures of a clip whose first one gave this canvas."""
        ...


def _whole(display: Size, scaled: Size, canvas: Size | None = None) -> Placement:
    return Placement(crop_x=0, crop_y=0, crop=display, scaled=scaled, canvas=canvas or scaled)


def _scaled(display: Size, factor: float, *, upscale: bool) -> Size:
    factor = factor if upscale else min(factor, 1.0)
    return Size(max(1, round(display.width * factor)), max(1, round(display.height * factor)))


class SourceSize(Struct, frozen=True):
    """Keep the display size."""

    def place(self, display: Size) -> Placement:
        """Return the picture as it is."""
        return _whole(display, display)

    def onto(self, canvas: Size) -> "Fit":
        """Fit the whole picture in, aspect kept."""
        return Fit(size=canvas, pad=True, upscale=True)


class Stretch(Struct, frozen=True, kw_only=True):
    """Exactly this size, whatever the aspect; a side that would grow stays unless ``upscale``."""

    size: Size
    upscale: bool = False

    def place(self, display: Size) -> Placement:
        """Scale each side on its own."""
        if self.upscale:
            return _whole(display, self.size)
        smaller = Size(min(self.size.width, display.width), min(self.size.height, display.height))
        return _whole(display, smaller)

    def onto(self, canvas: Size) -> "Stretch":
        """Scale each side on its own."""
        return Stretch(size=canvas, upscale=True)


class ShortSide(Struct, frozen=True, kw_only=True):
    """Scale so that the shorter side has this length, aspect kept."""

    length: int
    upscale: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_SIDE:
            raise InvalidSpec(f"--short-side must be in [1, {MAX_SIDE}], got {self.length}")

    def place(self, display: Size) -> Placement:
        """Scale both sides by the same factor."""
        factor = self.length / min(display.width, display.height)
        return _whole(display, _scaled(display, factor, upscale=self.upscale))

    def onto(self, canvas: Size) -> "Fit":
        """Fit the whole picture in, aspect kept."""
        return Fit(size=canvas, pad=True, upscale=True)


class Fit(Struct, frozen=True, kw_only=True):
    """The largest picture within this size, aspect kept; ``pad`` fills the rest with black."""

    size: Size
    pad: bool = False
    upscale: bool = False

    def place(self, display: Size) -> Placement:
        """Scale by the smaller factor, then centre on the canvas if padding."""
        factor = min(self.size.width / display.width, self.size.height / display.height)
        scaled = _scaled(display, factor, upscale=self.upscale)
        scaled = Size(min(scaled.width, self.size.width), min(scaled.height, self.size.height))
        return _whole(display, scaled, self.size if self.pad else None)

    def onto(self, canvas: Size) -> "Fit":
        """Fit the whole picture in, aspect kept."""
        return Fit(size=canvas, pad=True, upscale=True)


class CentreCrop(Struct, frozen=True, kw_only=True):
    """Cover this size, aspect kept, and cut off what sticks out on both sides alike."""

    size: Size
    upscale: bool = False

    def place(self, display: Size) -> Placement:
        """Take the centred part that becomes the wanted size."""
        factor = max(self.size.width / display.width, self.size.height / display.height)
        factor = factor if self.upscale else min(factor, 1.0)
        crop = Size(
            min(display.width, max(1, round(self.size.width / factor))),
            min(display.height, max(1, round(self.size.height / factor))),
        )
        scaled = self.size  # also where the crop, in whole pixels, would give one row less
        if not self.upscale:
            scaled = Size(
                min(self.size.width, max(1, round(crop.width * factor))),
                min(self.size.height, max(1, round(crop.height * factor))),
            )
        return Placement(
            crop_x=(display.width - crop.width) // 2,
            crop_y=(display.height - crop.height) // 2,
            crop=crop,
            scaled=scaled,
            canvas=scaled,
        )

    def onto(self, canvas: Size) -> "CentreCrop":
        """Cover the canvas."""
        return CentreCrop(size=canvas, upscale=True)
