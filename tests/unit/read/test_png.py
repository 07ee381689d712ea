"""PNG frames are read with Pillow where it is, and asked for where it is not."""

import importlib.util
import struct
import sys
import zlib

import numpy as np
import pytest

from out_dir import HEIGHT, WIDTH, OutDir, Video
from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.read import open_shards

HAS_PILLOW = importlib.util.find_spec("PIL") is not None


def png(pixels):
    """A PNG by the letter of its specification: one IDAT, no filter."""
    height, width, _ = pixels.shape

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def clip_of(tmp_path, data):
    out = OutDir(str(tmp_path))
    video = Video("x", frames=1, encoding="png")
    video.encoded = lambda: [data]
    out.shard("b0", video)
    return open_shards(out.out)[0]


PIXELS = np.arange(HEIGHT * WIDTH * 3).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


@pytest.mark.skipif(not HAS_PILLOW, reason="Pillow is not here")
def test_png_frames_are_exact(tmp_path):
    assert np.array_equal(clip_of(tmp_path, png(PIXELS)).frames()[0], PIXELS)


@pytest.mark.skipif(not HAS_PILLOW, reason="Pillow is not here")
@pytest.mark.parametrize(
    "data", [b"no picture", png(PIXELS)[:200], png(PIXELS[:8]), png(PIXELS[:1, :1])]
)
def test_a_png_that_does_not_decode_is_damage(tmp_path, data):
    with pytest.raises(DatasetDamaged, match="does not decode"):
        clip_of(tmp_path, data).frames()


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(EnvironmentFault, match="pip install pillow"):
        clip_of(tmp_path, png(PIXELS)).frames()
