"""Pictures that FFmpeg would take for others are refused, and those it can decode are not.

What is in the files is known from Pillow, which wrote them, or from the standard they follow.
"""

import gzip
import io
import struct

import numpy as np
import pytest
from PIL import Image

from shardmill.contract.errors import Corrupt, ItemError, Unsupported
from shardmill_worker.engine.decode import source_frames
from shardmill_worker.engine.media import open_media
from shardmill_worker.engine.pixels import PixelReader
from shardmill_worker.engine.probe import probe_item

WIDTH, HEIGHT = 96, 64


def picture(mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    colours = np.stack([x * 255 // 95, y * 255 // 63, (x + y) % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(colours).convert(mode)


def by_pillow(kind: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, kind, **options)
    return file.getvalue()


def tiff(extra: dict[int, int], *, order: str = "<") -> bytes:
    """A grey TIFF of one strip, with further tags (TIFF 6.0, sections 2 and 8)."""
    pixels = bytes(range(256)) * (WIDTH * HEIGHT // 256)
    tags = {256: WIDTH, 257: HEIGHT, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: HEIGHT}
    tags |= {279: len(pixels)} | extra
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return mark + struct.pack(f"{order}I", 8 + len(pixels)) + pixels + directory


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("tiles.tif", tiff({322: 32, 323: 32, 324: 8, 325: 1024}), "in tiles"),
        ("tiles_be.tif", tiff({322: 32, 323: 32}, order=">"), "in tiles"),
        ("jpeg.tif", by_pillow("tiff", compression="jpeg"), "JPEG inside"),
        ("float.tif", by_pillow("tiff", "F"), "floating-point"),
        ("signed.tif", by_pillow("tiff", "I"), "signed"),
        ("ycbcr.tif", by_pillow("tiff", "YCbCr"), "YCbCr"),
        ("zstd.tif", tiff({259: 50000}), "compression 50000"),
        ("big.tif", b"II+\0\x08\0\0\0" + bytes(200), "BigTIFF"),
        ("grey.tga", by_pillow("tga", "LA"), "grey and alpha"),
        ("cmyk.jp2", by_pillow("jpeg2000", "CMYK"), "CMYK"),
        ("lum.dds", by_pillow("dds", "L"), "pixel format"),
        ("bare.dib", by_pillow("dib"), "without a file header"),
        ("icon.icns", b"icns" + bytes(100), "Apple icon"),
        ("data.tif", gzip.compress(b"a picture", mtime=0), "gzip"),
    ],
)
def test_what_ffmpeg_cannot_decode_is_unsupported_not_damaged(folder, name, data, said):
    item = folder.item(folder.write(name, data))

    with pytest.raises(Unsupported, match=said):
        read(folder, item)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("lzw.tif", by_pillow("tiff", compression="tiff_lzw")),
        ("deflate.tif", by_pillow("tiff", compression="tiff_adobe_deflate")),
        ("packbits.tif", by_pillow("tiff", compression="packbits")),
        ("plain.tif", by_pillow("tiff")),
        ("colours.tga", by_pillow("tga")),
        ("alpha.tga", by_pillow("tga", "RGBA")),
        ("colours.jp2", by_pillow("jpeg2000", irreversible=False)),
        ("dxt.bmp", by_pillow("bmp")),
    ],
)
def test_what_ffmpeg_can_decode_is_what_pillow_wrote(folder, name, data):
    item = folder.item(folder.write(name, data))

    np.testing.assert_array_equal(read(folder, item), np.asarray(picture()))


def read(folder, item) -> np.ndarray:
    probe_item(str(folder.root), item)
    with open_media(str(folder.root), item) as media:
        frame = next(source_frames(media, lambda: None))
        return PixelReader().read(frame.picture).planes[0].copy()


JPEG = by_pillow("jpeg", quality=90)
SECOND = by_pillow("jpeg", quality=30)
NOISE = np.random.default_rng(0).bytes(3000)


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"garbage " * 40, id="text"),
        pytest.param(NOISE, id="noise, with marks of JPEG in it"),
        pytest.param(SECOND, id="a second picture, as for stereo"),
        pytest.param(
            b"\0\0\0\x18ftypmp42" + bytes(12) + b"\0\0\x0b\xc0mdat" + NOISE,
            id="a film, as in motion photos",
        ),
    ],
)
def test_a_small_jpeg_is_a_picture_whatever_stands_behind_it(folder, behind):
    item = folder.item(folder.write("small.jpg", JPEG + behind))

    facts = probe_item(str(folder.root), item)
    luma = read(folder, item)

    assert (facts.kind, facts.width, facts.height) == ("image", WIDTH, HEIGHT)
    expected = np.asarray(Image.open(io.BytesIO(JPEG)).convert("YCbCr"))[..., 0]
    assert np.abs(luma.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("part", [0.05, 0.2, 0.95])
def test_a_small_jpeg_whose_head_is_damaged_is_no_picture(folder, part):
    """FFmpeg would make a picture of what is left, and say nothing."""
    at = int(len(JPEG[: JPEG.index(b"\xff\xda")]) * part)
    item = folder.item(folder.write("zeros.jpg", JPEG[:at] + bytes(60) + JPEG[at + 60 :]))

    with pytest.raises(Corrupt):
        read(folder, item)


def test_jpegs_one_behind_the_other_are_a_video_if_their_name_says_so(folder):
    item = folder.item(folder.write("film.mjpeg", JPEG * 5))

    assert probe_item(str(folder.root), item).kind == "video"


def test_a_jpeg_without_a_picture_is_damaged(folder):
    item = folder.item(folder.write("empty.jpg", JPEG[:30]))

    with pytest.raises(Corrupt):
        read(folder, item)


def test_y4m_is_a_video(folder):
    head = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420\n"
    frame = b"FRAME\n" + bytes(4 * 2 + 2 * 2 * 1)
    item = folder.item(folder.write("a.y4m", head + frame * 10))

    assert probe_item(str(folder.root), item).kind == "video"
    with open_media(str(folder.root), item) as media:
        assert sum(1 for _ in source_frames(media, lambda: None)) == 10


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [4, 8, 9, 20, 6152, 6160, 6200])
def test_a_tiff_that_ends_anywhere_does_no_harm(folder, order, size):
    item = folder.item(folder.write("cut.tif", tiff({}, order=order)[:size]))

    with pytest.raises(ItemError):
        read(folder, item)
