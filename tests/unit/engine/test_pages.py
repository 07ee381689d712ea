"""A file of several still pictures says so: the first is taken, the others are counted."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from shardmill_worker.engine.formats.by_libav import pages_in


def pictures(count: int) -> list[Image.Image]:
    return [Image.fromarray(np.full((20, 30, 3), n % 256, np.uint8)) for n in range(count)]


def saved(count: int, form: str, **options) -> bytes:
    first, *others = pictures(count)
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=others, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("count", [1, 2, 6, 300])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_the_pages_of_a_tiff_are_those_of_pillow(folder, count, compression):
    folder.write("pages.tif", saved(count, "TIFF", compression=compression))
    with Image.open(folder.root / "pages.tif") as picture:
        expected = picture.n_frames

    facts = folder.probe("pages.tif")

    assert expected == count
    assert (facts.kind, facts.pages) == ("image", count if count > 1 else None)
    assert len(folder.extract("pages.tif").frames()) == 1


def test_thumbnails_and_masks_of_a_tiff_are_no_pages(folder):
    first, *others = pictures(4)
    buffer = io.BytesIO()
    for other, kind in zip(others, (1, 0, 4), strict=True):
        other.encoderinfo = {"tiffinfo": {254: kind}}
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    folder.write("pyramid.tif", buffer.getvalue())

    assert folder.probe("pyramid.tif").pages == 2


def test_a_tiff_whose_directories_go_round_is_counted_once(folder):
    data = bytearray(saved(2, "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * entries)
    (entries,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * entries, first)
    folder.write("round.tif", bytes(data))

    assert folder.probe("round.tif").pages == 2


@pytest.mark.parametrize("count", [2, 5])
def test_the_views_of_a_multi_picture_jpeg_are_those_of_pillow(folder, count):
    folder.write("stereo.jpg", saved(count, "MPO"))
    with Image.open(folder.root / "stereo.jpg") as picture:
        assert (picture.format, picture.n_frames) == ("MPO", count)

    # Pillow marks the others as of no kind, which gain maps are too: a camera says disparity.
    data = bytearray((folder.root / "stereo.jpg").read_bytes())
    start = data.index(b"MPF\0") + 4
    (tag,) = (m.start() for m in re.finditer(re.escape(struct.pack("<HH", 0xB002, 7)), data[:200]))
    entries = start + struct.unpack_from("<I", data, tag + 8)[0]
    assert struct.unpack_from("<I", data, entries) == (0x030000,)
    for number in range(1, count):
        assert data[entries + 16 * number :][:4] == bytes(4)
        struct.pack_into("<I", data, entries + 16 * number, 0x020002)
    folder.write("camera.jpg", bytes(data))

    assert folder.probe("stereo.jpg").pages is None
    assert folder.probe("camera.jpg").pages == count


@pytest.mark.parametrize(
    ("suffix", "picture"),
    [
        (".ppm", b"P6\n3 2\n255\n" + bytes(18)),
        (".ppm", b"P6 # a note\n# P6 9 9 255\n3 2 255\n" + bytes(18)),
        (".ppm", b"P6\n3 2\n65535\n" + bytes(36)),
        (".pgm", b"P5\n3 2\n255\n" + bytes(6)),
        (".pbm", b"P4\n9 2\n" + bytes(4)),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_netpbm_pictures_that_follow_each_other_are_counted(folder, suffix, picture, count):
    folder.write(f"several{suffix}", picture * count)

    assert folder.probe(f"several{suffix}").pages == (count if count > 1 else None)


def fits_unit(first: str, axes: tuple[int, ...], *, rows: bytes) -> bytes:
    cards = [first, "BITPIX  =                    8", f"NAXIS   = {len(axes):>20}"]
    cards += [f"NAXIS{n:<3}= {length:>20}" for n, length in enumerate(axes, 1)]
    cards += ["PCOUNT  =                    0", "GCOUNT  =                    1", "END"]
    header = "".join(card.ljust(80) for card in cards).encode()
    return header.ljust(2880) + rows.ljust(-(-len(rows) // 2880) * 2880, b"\0")


def test_the_pictures_of_a_fits_file_are_counted():
    """A first unit without data, two pictures and a table, as telescopes write them."""
    data = fits_unit("SIMPLE  =                    T", (), rows=b"")
    data += 2 * fits_unit("XTENSION= 'IMAGE   '", (60, 50), rows=bytes(range(250)) * 12)
    data += fits_unit("XTENSION= 'BINTABLE'", (8, 2), rows=bytes(16))

    assert counted(data, "fits") == 2


@pytest.mark.parametrize(
    ("caps", "depth", "dx10", "expected"),
    [
        (0, 0, None, None),
        (0x200 | 0xFC00, 0, None, 6),
        (0x200 | 0x0C00, 0, None, 2),
        (0x200000, 16, None, 16),
        (0, 0, (0, 5), 5),
        (0, 0, (4, 2), 12),
    ],
    ids=["picture", "cube", "two faces", "volume", "array", "array of cubes"],
)
def test_the_pictures_of_a_dds_are_counted(caps, depth, dx10, expected):
    head = bytearray(148)
    head[:4] = b"DDS "
    struct.pack_into("<I", head, 24, depth)
    struct.pack_into("<I", head, 112, caps)
    if dx10 is not None:
        head[84:88] = b"DX10"
        struct.pack_into("<2I", head, 136, *dx10)

    assert counted(bytes(head), "dds") == expected


def counted(data: bytes, codec_name: str) -> int | None:
    return pages_in(len(data), lambda length, offset: data[offset : offset + length], codec_name)


@pytest.mark.parametrize("codec_name", ["tiff", "mjpeg", "ppm", "fits", "dds"])
def test_a_file_that_ends_anywhere_does_no_harm(codec_name):
    whole = {
        "tiff": saved(3, "TIFF"),
        "mjpeg": saved(3, "MPO")[:600],
        "ppm": b"P6\n3 2\n255\n" + bytes(18),
        "fits": fits_unit("SIMPLE  =                    T", (3, 2), rows=bytes(6)),
        "dds": bytes(148),
    }[codec_name]

    for end in range(0, len(whole), 7):
        counted(whole[:end], codec_name)


def test_a_hostile_chain_of_directories_ends():
    """Each directory has one entry and names the next byte."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    for position in range(8, 8 + 18 * 100_000, 18):
        data += struct.pack("<HHHIII", 1, 256, 4, 1, 8, position + 18)

    assert counted(bytes(data), "tiff") == 1 << 16
