"""What a header says of a picture, as a row of facts."""

from typing import Final

from msgspec import Struct

from shardmill.contract.schema import Facts
from shardmill_worker.engine.faults import check_pixels
from shardmill_worker.engine.orientation import UPRIGHT, Orientation
from shardmill_worker.engine.source import NotPlain

_DEPTHS: Final = {
    **dict.fromkeys(("yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p", "yuvj411p", "gray"), 8),
    **dict.fromkeys(("rgb24", "rgba", "ya8", "pal8", "bgr24", "bgra", "argb"), 8),
    **dict.fromkeys(("yuv420p", "yuva420p"), 8),
    **dict.fromkeys(("rgb48be", "rgba64be", "gray16be", "ya16be"), 16),
    "monob": 1,
}
"""Bits a component of each pixel format that a plain picture can have."""


class Picture(Struct, frozen=True, kw_only=True):
    """One picture of square pixels; names are FFmpeg's."""

    container: str
    codec: str
    width: int
    height: int
    pix_fmt: str
    orientation: Orientation = UPRIGHT
    color_matrix: str | None = None
    color_range: str | None = None
    color_transfer: str | None = None
    frames_header: int | None = None

    def facts(self) -> Facts:
        """Return the row's facts.

        Raises:
            NotPlain: A side is 0.
            TooLarge: There are too many pixels.
        """
        if self.width * self.height == 0:
            raise NotPlain
        check_pixels(self.width, self.height)
        display = (self.width, self.height)
        if self.orientation.swaps_sides:
            display = (self.height, self.width)
        return Facts(
            kind="image",
            container=self.container,
            codec=self.codec,
            width=self.width,
            height=self.height,
            display_width=display[0],
            display_height=display[1],
            rotation_deg=self.orientation.rotation_deg,
            mirrored=self.orientation.mirrored,
            sample_aspect="1:1",
            pix_fmt=self.pix_fmt,
            bit_depth=_DEPTHS[self.pix_fmt],
            color_matrix=self.color_matrix,
            color_range=self.color_range,
            color_transfer=self.color_transfer,
            hdr=False,
            video_streams=1,
            frames_header=self.frames_header,
            has_audio=False,
        )
