"""The contact sheet: a few frames of each class, read from the shards and made small."""

import base64
import os
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow.compute as pc
import simplejpeg
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import read_range
from shardmill.dataset.index import ClipEntry, check_index, entry_at
from shardmill.dataset.layout import Layout
from shardmill.report import store
from shardmill.storage.files import open_to_read, refuse_link

FRAMES: Final = 240
"""Pictures of a sheet; with many classes each has fewer, down to one."""
FRAMES_A_CLASS: Final = 4
CLASSES: Final = 120
SIDE: Final = 160
"""Longest side that is kept, pixels."""
QUALITY: Final = 75
SHEET_BYTES: Final = 2_000_000
"""Of all pictures together, before they become text."""
MOST_PIXELS: Final = 1 << 26
"""Larger frames are left out: a picture that small is not worth decoding them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of a clip."""

    source: str
    """``data:`` URL."""
    path: str
    """The input it is from."""
    frame: int
    """Its number in the clip."""
    frames: int
    """How many the clip has."""


@dataclass(frozen=True, slots=True)
class Row:
    """The pictures of one class."""

    label: str | None
    clips: int
    """How many the class has."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The contact sheet."""

    rows: tuple[Row, ...]
    left_out: int
    """Classes that had no room."""
    unreadable: int
    """Frames that could not be read."""


def contact_sheet(con: duckdb.DuckDBPyConnection, layout: Layout, *, classes: int) -> Sheet:
    """Return the middle frames of a few clips of each class.

    Args:
        con: Has the table ``files``.
        layout: The output directory.
        classes: How many there are.
    """
    each = min(FRAMES_A_CLASS, max(1, FRAMES // max(1, classes)))
    rows: list[Row] = []
    unreadable = size = 0
    found = store.ask(con, store.sql("page/sheet"), each=each, most=CLASSES)
    for row in found:
        pictures: list[Picture] = []
        for chosen in row["chosen"]:
            try:
                picture, picture_bytes = _picture(layout, chosen)
            except (DatasetDamaged, OSError, ValueError):
                unreadable += 1
                continue
            size += picture_bytes
            if size > SHEET_BYTES:
                return Sheet(tuple(rows), found[0]["classes"] - len(rows), unreadable)
            pictures.append(picture)
        if pictures:
            rows.append(Row(row["label"], row["clips"], tuple(pictures)))
    return Sheet(tuple(rows), found[0]["classes"] - len(rows) if found else 0, unreadable)


def _picture(layout: Layout, chosen: dict[str, Any]) -> tuple[Picture, int]:
    """Return the middle frame of a clip, and its size in bytes.

    Raises:
        DatasetDamaged: The index does not name the clip, or the shard is no plain file.
        OSError: The shard cannot be read.
        ValueError: The frame is none, or too large.
    """
    index = check_index(layout.index_of(chosen["shard"]))
    row = pc.index(index["clip_id"], chosen["clip_id"]).as_py()
    if row < 0:
        raise DatasetDamaged(f"the index of {chosen['shard']} has no clip {chosen['clip_id']}")
    clip = entry_at(index, row)
    count = clip.frames.offset.size
    if not count:
        raise ValueError(f"clip {clip.clip_id} has no frames")
    number = count // 2
    start = int(clip.frames.offset[number])
    shard = layout.shard(chosen["shard"])
    refuse_link(os.path.dirname(shard))
    fd = open_to_read(shard)
    try:
        data = read_range(fd, start, start + int(clip.frames.length[number]))
    finally:
        os.close(fd)
    kind, small = _small(data, clip)
    text = base64.b64encode(small).decode("ascii")
    picture = Picture(f"data:image/{kind};base64,{text}", chosen["path"], number, count)
    return picture, len(small)


def _small(data: bytes, clip: ClipEntry) -> tuple[str, bytes]:
    """Return the format and the bytes of a frame as a browser shows it, made small."""
    if clip.width * clip.height > MOST_PIXELS:
        raise ValueError(f"a frame of {clip.width}x{clip.height} is too large")
    if clip.encoding == "png":
        return "png", data  # there is no PNG decoder here: large ones soon fill the sheet
    if clip.encoding == "raw":
        pixels = np.frombuffer(data, np.uint8).reshape(clip.height, clip.width, 3)
    else:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != (clip.width, clip.height):
            raise ValueError(f"the frame is {width}x{height}, not {clip.width}x{clip.height}")
        scale = SIDE / max(width, height)
        least = {"min_width": round(width * scale), "min_height": round(height * scale)}
        pixels = simplejpeg.decode_jpeg(data, min_factor=1, **least)
    return "jpeg", simplejpeg.encode_jpeg(_shrunk(pixels), quality=QUALITY, colorsubsampling="420")


def _shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of blocks of pixels, the longest side between ``SIDE`` and twice that.

    Args:
        pixels: Shape (H, W, 3), uint8.

    Returns:
        Shape (H // k, W // k, 3), uint8, contiguous; a side shorter than k becomes one pixel.
    """
    height, width, _ = pixels.shape
    k = max(1, max(height, width) // SIDE)
    y, x = min(k, height), min(k, width)
    whole = pixels[: height // y * y, : width // x * x]
    blocks = whole.reshape(height // y, y, width // x, x, 3)
    return np.ascontiguousarray(blocks.mean(axis=(1, 3)).round().astype(np.uint8))
