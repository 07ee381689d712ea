"""The video track of a container, and the facts that follow from it and its codec's headers."""

from fractions import Fraction
from typing import Final

from msgspec import Struct

from shardmill.contract.options.geometry import Size
from shardmill.contract.schema import Facts
from shardmill_worker.engine.aspect import possible
from shardmill_worker.engine.colour_names import (
    FULL,
    HDR_TRANSFERS,
    MATRICES,
    RANGES,
    TRANSFERS,
    UNSPECIFIED,
)
from shardmill_worker.engine.faults import check_pixels
from shardmill_worker.engine.formats.exif import UPRIGHT, Orientation
from shardmill_worker.engine.looks import LOOKS
from shardmill_worker.engine.source import OnlyLibav, Source

MAX_RATE_HZ: Final = 240
"""A higher rate is the clock's resolution, not a rate."""
_HEAD_BYTES: Final = 4096
"""Holds what encoders put before the first slice as a rule."""
_US_PER_S: Final = 1_000_000


class ColourTags(Struct, frozen=True):
    """A container's colour tags, numbered as in FFmpeg."""

    matrix: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    range: int = 0


class Timing(Struct, frozen=True, kw_only=True):
    """What a container says of a track's times."""

    rate_hz: Fraction
    varies: bool | None = None
    frames: int | None = None
    duration_s: float


class Track(Struct, frozen=True, kw_only=True):
    """The only video track of a file, and what else its container says."""

    container: str
    """Name that FFmpeg gives it."""
    codec: str
    """Name that FFmpeg gives it."""
    header: bytes
    """Private data of the codec."""
    size: Size
    packet: tuple[int, int]
    """Where in the file the first packet begins, and its size in bytes."""
    timing: Timing
    file_us: int
    """How long the whole file lasts, in microseconds."""
    aspect: Fraction | None
    """Width to height of a stored pixel, None if the container does not say it."""
    tags: ColourTags = ColourTags()
    orientation: Orientation = UPRIGHT
    has_audio: bool

    def facts(self, source: Source) -> Facts:
        """Return what FFmpeg says of the file after it has decoded a picture.

        Args:
            source: The file, of which the beginning of the first packet is read.

        Raises:
            OnlyLibav: Container and codec contradict each other, or only decoding would tell.
            TooLarge: There are too many pixels.
        """
        begin, length = self.packet
        if length <= 0 or begin + length > source.size_bytes:
            raise OnlyLibav
        head = source.read(begin, min(length, _HEAD_BYTES))
        look = LOOKS[self.codec](self.header, head)
        rate = self.timing.rate_hz
        is_ours_to_say = look.color_range is not None or self.tags.range != FULL
        if self.size != Size(look.width, look.height) or not is_ours_to_say:
            raise OnlyLibav
        if not 0 < rate <= MAX_RATE_HZ or self.file_us <= 0:
            raise OnlyLibav
        check_pixels(look.width, look.height)
        aspect = possible(self.aspect or look.aspect)
        display = self.orientation.display_size(self.size, aspect)
        matrix, transfer = look.color_matrix, look.color_transfer
        transfer_name = TRANSFERS.get(self.tags.transfer if transfer is None else transfer)
        return Facts(
            kind="video",
            container=self.container,
            codec=self.codec,
            width=look.width,
            height=look.height,
            display_width=display.width,
            display_height=display.height,
            rotation_deg=self.orientation.rotation_deg,
            mirrored=self.orientation.mirrored,
            sample_aspect=f"{aspect.numerator}:{aspect.denominator}",
            pix_fmt=look.pix_fmt,
            bit_depth=look.bit_depth,
            color_matrix=MATRICES.get(self.tags.matrix if matrix is None else matrix),
            color_range=RANGES.get(look.color_range or self.tags.range),
            color_transfer=transfer_name,
            hdr=transfer_name in HDR_TRANSFERS,
            video_streams=1,
            fps=float(rate),
            vfr=self.timing.varies,
            frames_header=self.timing.frames,
            duration_s=self.timing.duration_s,
            bit_rate=int(source.size_bytes * 8.0 * _US_PER_S / self.file_us),
            has_audio=self.has_audio,
        )
