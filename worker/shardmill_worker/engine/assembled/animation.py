"""An animated WebP as a movie of whole pictures, each drawn when libav reads it.

libav decodes a WebP picture, yet not an animation of them.  Here each picture is decoded by libav
and drawn onto the canvas as the format says; what the canvas shows is served as the next picture
of a raw movie.  One canvas and one picture are in memory, however long the animation is.

The canvas begins transparent, whatever background colour the file suggests, as in libwebp and
in browsers.
"""

import os
from bisect import bisect_right
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt
from shardmill_worker.engine.assembled.raw_movie import movie_header
from shardmill_worker.engine.colour import to_rgb
from shardmill_worker.engine.faults import MAX_PIXELS, media_faults
from shardmill_worker.engine.formats.webp_animation import Animation, Picture, read_still
from shardmill_worker.engine.input_file import InputFile
from shardmill_worker.engine.pixels import PixelReader, Pixels

Rgba = NDArray[np.uint8]
"""Shape (H, W, 4), uint8: R, G, B and A, R, G and B not multiplied by A."""
_ALPHA_PLACES: Final = {"argb": (0, 0, 4), "yuva420p": (3, 0, 1)}
"""Format to the plane of its alpha, the first byte of that and the step to the next."""
_OPAQUE: Final = 255


class DrawnMovie:
    """The bytes of a movie, made of an animation as they are read."""

    name = ""

    def __init__(self, file: InputFile, animation: Animation) -> None:
        durations_ms = [picture.duration_ms for picture in animation.pictures]
        self._header = movie_header(animation.width, animation.height, durations_ms)
        self._canvas = Canvas(file, animation)
        self._picture_bytes = self._canvas.pixels.nbytes
        self._size = len(self._header) + self._picture_bytes * len(durations_ms)
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, of one picture at most.

        Raises:
            ItemError: A picture cannot be decoded.
        """
        begin = self._position
        if begin >= self._size:
            return b""
        if begin < len(self._header):
            data = self._header[begin : begin + size]
        else:
            number, start = divmod(begin - len(self._header), self._picture_bytes)
            self._canvas.show(number)
            data = self._canvas.pixels.reshape(-1)[start : start + size].tobytes()
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position


class Canvas:
    """What an animation shows at each of its pictures."""

    def __init__(self, file: InputFile, animation: Animation) -> None:
        self.pixels: Rgba = np.zeros((animation.height, animation.width, 4), np.uint8)
        self._file = file
        self._pictures = animation.pictures
        self._keyframes = [k for k, p in enumerate(animation.pictures) if p.keyframe]
        self._shown = -1
        self._decoder = _webp_decoder()
        self._reader = PixelReader()

    def show(self, number: int) -> None:
        """Draw what is shown with a picture, from the last keyframe that is not drawn yet.

        Raises:
            ItemError: A picture cannot be decoded, or is not as large as it said.
        """
        if number == self._shown:
            return
        first = self._keyframes[bisect_right(self._keyframes, number) - 1]
        if first <= self._shown < number:
            first = self._shown + 1
        for k in range(first, number + 1):
            self._shown = -1  # half drawn, should decoding fail
            self._draw(k)
        self._shown = number

    def _draw(self, number: int) -> None:
        picture = self._pictures[number]
        over = self._decode(picture)
        if picture.keyframe:
            self.pixels.fill(0)
        elif self._pictures[number - 1].disposes:
            self._part(self._pictures[number - 1]).fill(0)
        if picture.blends:
            _blend(self._part(picture), over)
        else:
            self._part(picture)[:] = over

    def _part(self, picture: Picture) -> Rgba:
        bottom, right = picture.top + picture.height, picture.left + picture.width
        return self.pixels[picture.top : bottom, picture.left : right]

    def _decode(self, picture: Picture) -> Rgba:
        """Return a picture's own pixels."""
        with media_faults("A picture of the animation cannot be decoded"):
            packet = av.Packet(read_still(self._file, picture))
            frame = next(iter(self._decoder.decode(packet)), None)
            if frame is None or (frame.width, frame.height) != (picture.width, picture.height):
                found = f"{frame.width}x{frame.height}" if frame else "none"
                raise Corrupt(
                    f"Expected a picture of {picture.width}x{picture.height} at byte "
                    f"{picture.offset}, found {found}."
                )
            return np.dstack([_rgb(self._reader.read(frame)), _alpha(frame)])


def _webp_decoder() -> VideoCodecContext:
    decoder = VideoCodecContext.create("webp", "r")
    decoder.thread_count = 1
    decoder.thread_type = "NONE"
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    return decoder


def _rgb(pixels: Pixels) -> NDArray[np.uint8]:
    """Return a picture's colours, shape (H, W, 3), uint8."""
    if pixels.colour is None:
        return pixels.planes[0]
    return to_rgb(pixels.planes, pixels.colour)


def _alpha(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return a picture's alpha, shape (H, W), uint8."""
    place = _ALPHA_PLACES.get(frame.format.name)
    if place is None:
        return np.full((frame.height, frame.width), _OPAQUE, np.uint8)
    index, first, step = place
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, first : first + step * frame.width : step]


def _blend(under: Rgba, over: Rgba) -> None:
    """Draw ``over`` onto ``under``, in place.

    Where the canvas is still transparent it takes the picture as it is stored, transparent
    pixels included.
    """
    over_alpha, under_alpha = over[..., 3], under[..., 3]
    covered = (over_alpha == _OPAQUE) | (under_alpha == 0)
    mixed = ~covered & (over_alpha > 0)
    under[covered] = over[covered]
    if not mixed.any():
        return
    front, back = over[mixed].astype(np.float32), under[mixed].astype(np.float32)
    front_weight = front[:, 3:]
    back_weight = back[:, 3:] * (_OPAQUE - front_weight) / _OPAQUE
    alpha = front_weight + back_weight
    colour = (front[:, :3] * front_weight + back[:, :3] * back_weight) / alpha
    under[mixed] = np.rint(np.hstack([colour, alpha])).astype(np.uint8)
