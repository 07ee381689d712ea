"""Files that claim pictures of 60000 x 60000 pixels: refused at once, before any memory is taken.

The sizes stand where each format's specification puts them.  All files are read by one process
of their own, whose peak of memory the kernel tells.
"""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

SIDE = 60_000
MOST_BYTES = 100_000_000  # one grey picture of that size would take 3.6 GB

PROBE = """
import json, os, resource, sys, time
from shardmill.contract.errors import ItemError
from shardmill.contract.schema import Item
from shardmill_worker.engine.probe import probe_item
root = sys.argv[1]
names = sorted(os.listdir(root), key=lambda name: name != "sound.png")
for name in names:
    found = os.stat(os.path.join(root, name))
    item = Item(path=name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    began = time.perf_counter()
    try:
        said = probe_item(root, item).kind
    except ItemError as error:
        said = f"{error.error_class}: {error}"
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([name, said, seconds, peak]))
"""


def still(form: str, **options: object) -> bytearray:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 40)).save(file, form, **options)
    return bytearray(file.getvalue())


def png() -> bytes:
    data = still("PNG")
    struct.pack_into(">II", data, 16, SIDE, SIDE)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)


def jpeg(**options: object) -> bytes:
    data = still("JPEG", **options)
    start_of_frame = data.index(b"\xff\xc2" if options else b"\xff\xc0")
    struct.pack_into(">HH", data, start_of_frame + 5, SIDE, SIDE)
    return bytes(data)


def gif() -> bytes:
    data = still("GIF")
    struct.pack_into("<HH", data, 6, SIDE, SIDE)
    return bytes(data)


def bmp(height: int) -> bytes:
    data = still("BMP")
    struct.pack_into("<ii", data, 18, SIDE, height)
    return bytes(data)


def tiff(compression: str | None) -> bytes:
    data = still("TIFF", compression=compression)
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, at)[0] in (256, 257):
            struct.pack_into("<HII", data, at + 2, 4, 1, SIDE)
    return bytes(data)


def tga() -> bytes:
    data = still("TGA")
    struct.pack_into("<HH", data, 12, SIDE, SIDE)
    return bytes(data)


def webp() -> bytes:
    """VP8X tells the canvas in 24 bits, less one."""
    canvas = 2 * (SIDE - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<II", 10, 0) + canvas + still("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def vp8(data: bytes) -> bytes:
    """A VP8 key frame tells its size, of 14 bits, behind a start code."""
    changed = bytearray(data)
    struct.pack_into("<HH", changed, data.index(b"\x9d\x01\x2a") + 3, 16383, 16383)
    return bytes(changed)


def lossless_webp() -> bytes:
    data = still("WEBP", lossless=True)
    struct.pack_into("<I", data, 21, 16383 | 16383 << 14)
    return bytes(data)


def clip(form: str, codec: str, pix_fmt: str) -> bytearray:
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for step in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), step, np.uint8), "rgb24")
            frame.pts, frame.time_base = step, Fraction(1, 10)
            container.mux(stream.encode(frame.reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return bytearray(file.getvalue())


def avi(codec: str, pix_fmt: str) -> bytes:
    data = clip("avi", codec, pix_fmt)
    struct.pack_into("<ii", data, data.index(b"strf") + 12, SIDE, SIDE)
    return bytes(data)


def mov(codec: str, pix_fmt: str) -> bytes:
    data = clip("mov", codec, pix_fmt)
    struct.pack_into(">HH", data, data.index(b"stsd") + 44, SIDE, SIDE)
    return bytes(data)


def y4m() -> bytes:
    data = clip("yuv4mpegpipe", "wrapped_avframe", "yuv420p")
    return bytes(data).replace(b"W64 H48", b"W60000 H60000")


BOMBS: dict[str, Callable[[], bytes]] = {
    "png.png": png,
    "jpeg.jpg": jpeg,
    "progressive.jpg": lambda: jpeg(progressive=True),
    "gif.gif": gif,
    "bmp.bmp": lambda: bmp(SIDE),
    "bmp-from-the-top.bmp": lambda: bmp(-SIDE),
    "tiff.tif": lambda: tiff(None),
    "tiff-lzw.tif": lambda: tiff("tiff_lzw"),
    "tga.tga": tga,
    "webp.webp": webp,
    "webp-lossy.webp": lambda: vp8(bytes(still("WEBP"))),
    "webp-lossless.webp": lossless_webp,
    "vp8.webm": lambda: vp8(bytes(clip("webm", "libvpx", "yuv420p"))),
    "raw.avi": lambda: avi("rawvideo", "bgr24"),
    "utvideo.avi": lambda: avi("utvideo", "yuv420p"),
    "raw.mov": lambda: mov("rawvideo", "rgb24"),
    "rle.mov": lambda: mov("qtrle", "rgb24"),
    "raw.y4m": y4m,
}

CLAIMS = {
    "webp-lossy.webp": "16383x16383",
    "webp-lossless.webp": "16384x16384",
    "vp8.webm": "16383x16383",
}
"""The largest that the others can tell."""


@pytest.fixture(scope="module")
def probed(tmp_path_factory) -> dict[str, tuple[str, float, int]]:
    """What probing says of each file, the seconds it took, the peak of memory until then."""
    folder: Path = tmp_path_factory.mktemp("bombs")
    (folder / "sound.png").write_bytes(still("PNG"))
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder)], capture_output=True, text=True, check=True
    )
    return {name: tuple(said) for name, *said in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_of_too_many_pixels_is_refused_at_once(probed, name):
    said, seconds, _ = probed[name]

    claimed = CLAIMS.get(name, "60000x60000")
    assert said == (f"too_large: Expected at most 268,435,456 pixels, the file claims {claimed}.")
    assert seconds < 1


def test_no_memory_is_taken_for_a_picture_that_is_refused(probed):
    at_rest = probed["sound.png"][2]

    assert probed["sound.png"][0] == "image"
    assert max(peak for _, _, peak in probed.values()) - at_rest < MOST_BYTES
