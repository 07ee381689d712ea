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

from shardmill.contract.options.geometry import Size
from shardmill_worker.engine.chroma import sampling_of

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
    """First column that is taken."""
    top: int
    """First row that is taken."""
    taken: Size
    """The size of the part that is taken, a multiple of the samples of Y to one of U and V."""
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
        graph.add("scale", f"{_sides(what.size)}:{_scaling(what)}"),
        graph.add("format", what.format),
        graph.add("buffersink"),
    ).configure()
    return graph


def _sides(size: Size) -> str:
    return f"{size.width}:{size.height}"


def _scaling(what: AtOnce) -> str:
    """Return how to scale.

    A sample of U and V lies in the middle of those of Y that it stands for, as everywhere here, not
    on the left one.  The matrices are the same, so that none is applied.
    """
    place = f"in_chroma_loc=center:out_chroma_loc=center:{_first_chroma(what)}"
    matrix = "in_color_matrix=bt601:out_color_matrix=bt601"
    ranges = f"in_range={'limited' if what.widens else 'full'}:out_range=full"
    return f"flags=area:{place}{matrix}:{ranges}"


def _first_chroma(what: AtOnce) -> str:
    """Return where the first sample of U and V lies if ``crop`` cut it in half.

    Of two columns that share a sample the part may begin with the second: the sample's middle is
    then half a column before the middle of the first one taken, -128 in units of 1/256.
    """
    sampling = sampling_of(av.VideoFormat(what.format))
    is_cut = {"h": what.left % sampling.columns, "v": what.top % sampling.rows}
    return "".join(f"in_{side}_chr_pos=-128:" for side, cut in is_cut.items() if cut)
