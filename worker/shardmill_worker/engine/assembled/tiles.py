"""Putting the tiles of a picture together: each is decoded, cut and laid in its place.

Nothing is converted: the planes of the picture are those of its tiles.  One tile is in memory
beside the picture.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream
from numpy.typing import NDArray

from shardmill.contract.errors import Corrupt, Unsupported
from shardmill_worker.engine.assembled.heif import Grid
from shardmill_worker.engine.faults import MAX_PIXELS, decode_log, media_faults

_COLOUR_TAGS: Final = ("color_range", "colorspace", "color_primaries", "color_trc")


@contextmanager
def open_grid(container: InputContainer, grid: Grid) -> Iterator[InputContainer]:
    """Open a container that holds the whole picture, uncompressed, as its one frame.

    Args:
        container: The file; all of its streams are used up.
        grid: Which of its streams make the picture.

    Raises:
        ItemError: A tile is missing, broken or unlike the others.
    """
    with media_faults("The tiles of the picture cannot be decoded"), decode_log() as log:
        picture = _picture(container, grid)
        if (damage := log.damage()) is not None:
            raise damage
        file = _uncompressed(picture)
        whole = av.open(file, "r", format="nut", container_options={"protocol_whitelist": "none"})
    with whole:
        for tag in _COLOUR_TAGS:  # which the container does not keep
            setattr(whole.streams.video[0].codec_context, tag, getattr(picture, tag))
        del picture
        yield whole


def _picture(container: InputContainer, grid: Grid) -> av.VideoFrame:
    places = defaultdict(list)
    for number, item in enumerate(grid.tiles):
        places[item].append(divmod(number, grid.columns))
    whole: av.VideoFrame | None = None
    first: av.VideoFrame | None = None
    for item, tile in _decoded(container, frozenset(places)):
        if whole is None or first is None:
            first, whole = tile, _empty(grid, tile)
        if (tile.width, tile.height, tile.format.name) != (
            first.width,
            first.height,
            first.format.name,
        ):
            raise Corrupt(
                f"Expected tiles of {first.width}x{first.height} {first.format.name}, found one "
                f"of {tile.width}x{tile.height} {tile.format.name}."
            )
        for row, column in places.pop(item, []):
            _lay(tile, whole, column * tile.width, row * tile.height)
    if whole is None or places:
        raise Corrupt(f"Expected {len(grid.tiles)} tiles, {len(places)} cannot be found.")
    return whole


def _decoded(
    container: InputContainer, items: frozenset[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield each item's picture, in the order of the file.

    Items of equal configuration share a decoder, else a photograph would need a hundred.
    """
    streams = [stream for stream in container.streams.video if stream.id in items]
    for stream in container.streams:
        stream.discard = Discard.default if stream in streams else Discard.all
    decoders: dict[tuple[str, bytes], VideoStream] = {}
    for packet in container.demux(streams) if streams else ():
        if not packet.size:
            continue
        stream = packet.stream
        assert isinstance(stream, VideoStream)
        if stream.codec_context is None:
            raise Unsupported("There is no decoder for the picture's tiles.")
        settings = (stream.codec_context.name, bytes(stream.codec_context.extradata or b""))
        context = decoders.setdefault(settings, stream).codec_context
        if not context.is_open:
            context.thread_count = 1
            context.thread_type = "NONE"
            context.options = {"max_pixels": str(MAX_PIXELS)}
        else:
            context.flush_buffers()
        for picture in [*context.decode(packet), *context.decode(None)][:1]:
            yield stream.id, picture


def _empty(grid: Grid, tile: av.VideoFrame) -> av.VideoFrame:
    """Return a picture like the tile, as large as the grid says."""
    if len(tile.planes) != len(tile.format.components):
        raise Unsupported(f"Tiles of {tile.format.name} cannot be put together.")
    if grid.columns * tile.width < grid.width or grid.rows * tile.height < grid.height:
        raise Corrupt(
            f"Expected tiles that cover {grid.width}x{grid.height}, found {grid.columns}x"
            f"{grid.rows} of {tile.width}x{tile.height}."
        )
    across, down = _steps(tile, 1)
    if (grid.columns > 1 and tile.width % across) or (grid.rows > 1 and tile.height % down):
        raise Unsupported(
            f"Tiles of {tile.width}x{tile.height} {tile.format.name} share colour with their "
            "neighbours and cannot be put together."
        )
    whole = av.VideoFrame(grid.width, grid.height, tile.format.name)
    for tag in _COLOUR_TAGS:
        setattr(whole, tag, getattr(tile, tag))
    return whole


def _lay(tile: av.VideoFrame, whole: av.VideoFrame, left: int, top: int) -> None:
    """Copy a tile to its place; what lies beyond the picture is left out."""
    sample_bytes = -(-tile.format.components[0].bits // 8)
    for index in range(len(tile.planes)):
        across, down = _steps(tile, index)
        source, target = _rows(tile, index), _rows(whole, index)
        part = target[top // down :, left // across * sample_bytes :]
        part = part[: source.shape[0], : source.shape[1]]
        part[:] = source[: part.shape[0], : part.shape[1]]


def _steps(frame: av.VideoFrame, plane: int) -> tuple[int, int]:
    """Return how many columns and rows of the picture one sample of a plane covers."""
    if plane in (0, 3):  # Y or G, and alpha
        return 1, 1
    return 8 // frame.format.chroma_width(8), 8 // frame.format.chroma_height(8)


def _rows(frame: av.VideoFrame, index: int) -> NDArray[np.uint8]:
    """Return a plane's own memory, shape (H, bytes in a row), uint8, without its padding."""
    plane = frame.planes[index]
    sample_bytes = -(-frame.format.components[0].bits // 8)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * sample_bytes]


def _uncompressed(picture: av.VideoFrame) -> io.BytesIO:
    """Return a NUT file of one frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as container:
        stream = container.add_stream("rawvideo", rate=1)
        stream.width, stream.height = picture.width, picture.height
        stream.pix_fmt = picture.format.name
        picture.pts, picture.time_base = 0, Fraction(1)
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    file.seek(0)
    return file
