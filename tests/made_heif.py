"""HEIF and AVIF files whose picture is a grid of tiles, box by box, as telephones write them."""

import io
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import av
import numpy as np
from PIL import Image

TILE = 64
"""Width and height of a tile: no less is allowed in a grid of AVIF."""

ESSENTIAL = 0x80
"""Marks a property that a reader must know."""


@dataclass(frozen=True)
class Coded:
    """A picture as a codec leaves it."""

    codec: bytes
    """Item type: ``hvc1`` or ``av01``."""
    config: bytes
    """The whole ``hvcC`` or ``av1C`` box."""
    data: bytes
    width: int
    height: int
    bits: int = 8


def hevc(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Coded:
    """Code planes of 8-bit YUV 4:2:0 without loss."""
    height, width = y.shape
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        settings = {"x265-params": "lossless=1:info=0:log-level=none", "preset": "ultrafast"}
        stream = container.add_stream("libx265", rate=1, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        planes = np.concatenate([plane.reshape(-1, width) for plane in (y, u, v)])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            packet.pts = packet.dts = 0
            container.mux(packet)
    made = buffer.getvalue()
    return Coded(b"hvc1", _found(made, b"hvcC"), _found(made, b"mdat")[8:], width, height)


def av1(rgb: np.ndarray, *, subsampling: str = "4:2:0") -> Coded:
    """Code an RGB picture, shape (H, W, 3), in 8 bits."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "AVIF", quality=90, subsampling=subsampling, speed=10)
    return _av1(buffer, rgb)


def av1_of_10_bits(rgb: np.ndarray) -> Coded:
    """Code an RGB picture, shape (H, W, 3), in YUV 4:2:0 of 10 bits."""
    buffer = io.BytesIO()
    with _as_scheduled(), av.open(buffer, "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"preset": "10", "crf": "10"})
        stream.height, stream.width, _ = rgb.shape
        stream.pix_fmt = "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p10le")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return replace(_av1(buffer, rgb), bits=10)


@contextmanager
def _as_scheduled() -> Iterator[None]:
    """Keep this thread's scheduling: as root, SVT-AV1 makes it and all its children real-time."""
    if not hasattr(os, "sched_getscheduler"):  # macOS
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _av1(buffer: io.BytesIO, rgb: np.ndarray) -> Coded:
    made = buffer.getvalue()
    height, width, _ = rgb.shape
    return Coded(b"av01", _found(made, b"av1C"), _found(made, b"mdat")[8:], width, height)


def grid(
    tiles: Sequence[Coded],
    *,
    columns: int,
    size: tuple[int, int],
    order: Sequence[int] | None = None,
    turns: Sequence[bytes] = (),
    thumbnail: Coded | None = None,
    descriptor: bytes | None = None,
    in_idat: bool = True,
    primary_kind: bytes = b"grid",
    padding: int = 0,
) -> bytes:
    """Return a file.

    Args:
        tiles: The coded pictures; item 1 is the first.
        size: Width and height that the grid gives its picture.
        order: Which of ``tiles`` stands at each place, row after row; default each in turn.
        turns: ``irot`` and ``imir`` boxes, in their order.
        thumbnail: A small picture of the whole, which is an item beside the grid.
        descriptor: The grid item's bytes, instead of those that ``columns`` and ``size`` make.
        in_idat: Whether these lie in ``idat`` or among the coded pictures.
        primary_kind: Item type of the grid.
        padding: Bytes of nothing in the description.
    """
    order = range(len(tiles)) if order is None else order
    whole, small = len(tiles) + 1, len(tiles) + 2
    if descriptor is None:
        descriptor = struct.pack(">4B2H", 0, 0, len(order) // columns - 1, columns - 1, *size)
    kinds = [tile.codec for tile in tiles] + [primary_kind]
    coded = [tile.data for tile in tiles] + ([] if in_idat else [descriptor])
    references = [
        box(b"dimg", struct.pack(f">{2 + len(order)}H", whole, len(order), *_items(order)))
    ]
    properties = [full(b"pixi", bytes([3, *[tiles[0].bits] * 3])), _size(*size), *turns]
    turned = [k | ESSENTIAL for k in range(3, 3 + len(turns))]
    owned = {whole: [1, 2, *turned]}
    for item, tile in {
        **dict(enumerate(tiles, 1)),
        **({small: thumbnail} if thumbnail else {}),
    }.items():
        for mine in (tile.config, _size(tile.width, tile.height)):
            if mine not in properties[2 + len(turns) :]:
                properties.append(mine)
        config = properties.index(tile.config) + 1
        extent = properties.index(_size(tile.width, tile.height), 2 + len(turns)) + 1
        owned[item] = [1, config | ESSENTIAL, extent]
    if thumbnail:
        kinds.append(thumbnail.codec)
        coded.append(thumbnail.data)
        references.append(box(b"thmb", struct.pack(">3H", small, 1, whole)))
    brand = b"avif" if tiles[0].codec == b"av01" else b"heic"
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand, b"MA1B" if brand == b"avif" else b"")

    def meta(first: int) -> bytes:
        places, position = [], first
        for item in range(1, len(kinds) + 1):
            if item == whole and in_idat:
                places.append((item, 1, 0, len(descriptor)))
                continue
            data = coded[
                item - 1 if item <= whole and not in_idat else len(places) - (item > whole)
            ]
            places.append((item, 0, position, len(data)))
            position += len(data)
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", whole)),
            full(
                b"iloc",
                struct.pack(">BBH", 0x44, 0, len(places)),
                *(struct.pack(">4HII", i, method, 0, 1, at, n) for i, method, at, n in places),
                version=1,
            ),
            full(
                b"iinf",
                struct.pack(">H", len(kinds)),
                *(
                    full(b"infe", struct.pack(">HH4sx", i, 0, kind), version=2)
                    for i, kind in enumerate(kinds, 1)
                ),
            ),
            full(b"iref", *references),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(
                    b"ipma",
                    struct.pack(">I", len(owned)),
                    *(struct.pack(">HB", i, len(n)) + bytes(n) for i, n in sorted(owned.items())),
                ),
            ),
            box(b"idat", descriptor) if in_idat else b"",
            box(b"free", bytes(padding)) if padding else b"",
        )

    first = len(head) + len(meta(0)) + 8
    return head + meta(first) + box(b"mdat", *coded)


def turn(quarters: int) -> bytes:
    """An ``irot`` box: so many quarter turns counter-clockwise."""
    return box(b"irot", bytes([quarters]))


def mirror(axis: int) -> bytes:
    """An ``imir`` box: 0 exchanges top and bottom, 1 left and right."""
    return box(b"imir", bytes([axis]))


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    """A box with a version, and no flags."""
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def _size(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def _items(places: Sequence[int]) -> list[int]:
    return [place + 1 for place in places]


def _found(made: bytes, kind: bytes) -> bytes:
    """Return the first box of a kind, wherever it lies."""
    start = made.index(kind) - 4
    (length,) = struct.unpack_from(">I", made, start)
    return made[start : start + length]
