"""Cropping and scaling all planes of a frame, and widening their range, in one go of libavfilter.

One plane after another takes up to three times as long, most of it for making and asking for each;
``crop`` copies nothing.
"""

from functools import lru_cache
from typing import Final

import av
from av.error import FFmpegError
from av.filter import Graph
from msgspec import Struct

from shardmill.contract.geometry import Size

FORMATS: Final = frozenset(f"yuv{sampling}p" for sampling in (420, 422, 440, 444))
"""What is worked on; libavfilter warns of ``yuvj`` formats."""
COLOUR_SPACES: Final = frozenset({1, 2, 4, 5, 6, 7, 9})
"""Those of AVColorSpace that libavfilter takes for YUV without question."""


class AtOnce(Struct, frozen=True, kw_only=True):
    """What is done to each of the frames that are alike."""

    format: str
    """One of ``FORMATS``."""
    source: Size
    colour_space: int
    """One of ``COLOUR_SPACES``, as the frames are tagged."""
    colour_range: int
    """An AVColorRange, as the frames are tagged."""
    left: int
    """First column that is taken, a multiple of the columns to a sample of U and V."""
    top: int
    """First row that is taken, a multiple of the rows to a sample of U and V."""
    taken: Size
    size: Size
    """What the part that is taken is scaled to, by area."""
    widens: bool
    """Whether limited range becomes full range; else the numbers keep their meaning."""

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the new frame, in the same format.

        Args:
            frame: As described: libavfilter does not look again.

        Raises:
            FFmpegError: What is described cannot be done.
        """
        graph = _graph(self)
        try:
            graph.vpush(frame)
            return graph.vpull()
        except FFmpegError:
            _graph.cache_clear()  # it may hold this frame, and give it for the next
            raise


@lru_cache(maxsize=16)
def _graph(what: AtOnce) -> Graph:
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add(
            "buffer",
            f"video_size={what.source}:pix_fmt={what.format}:time_base=1"
            f":colorspace={what.colour_space}:range={what.colour_range}",
        ),
        graph.add("crop", f"{_sides(what.taken)}:{what.left}:{what.top}:exact=1"),
        graph.add("scale", f"{_sides(what.size)}:{_scaling(widens=what.widens)}"),
        graph.add("format", what.format),
        graph.add("buffersink"),
    ).configure()
    return graph


def _sides(size: Size) -> str:
    return f"{size.width}:{size.height}"


def _scaling(*, widens: bool) -> str:
    """Return how to scale.

    Planes are taken to begin at the same place, as everywhere here: else U and V would count as
    samples of the left column, and move.  The matrices are the same, so that none is applied.
    """
    place = "in_chroma_loc=center:out_chroma_loc=center"
    matrix = "in_color_matrix=bt601:out_color_matrix=bt601"
    ranges = f"in_range={'limited' if widens else 'full'}:out_range=full"
    return f"flags=area:{place}:{matrix}:{ranges}"
