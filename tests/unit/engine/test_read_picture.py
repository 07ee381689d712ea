"""A picture costs its header: that gives what libav gives after decoding, or libav is asked."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from shardmill.contract.errors import ItemError
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats import HEAD_BYTES, read_picture
from shardmill_worker.engine.input_file import open_item
from shardmill_worker.engine.probe import full_look, picture_look


def picture(mode: str, width: int = 48, height: int = 32) -> Image.Image:
    """Noise, so that no codec can leave anything out."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width, 4), np.uint8)
    return Image.fromarray(noise, "RGBA").convert("RGB" if mode == "P" else mode).convert(mode)


def encoded(mode: str, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, kind, **settings)
    return buffer.getvalue()


def jpeg_of(height: int, width: int, *parameters: int) -> bytes:
    """A black JPEG with OpenCV's parameters."""
    return cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8), parameters)[1].tobytes()


def exif(orientation: int, order: str = "<", *, thumbnail: bytes = b"", kind: int = 3) -> bytes:
    """An Exif block: IFD0 with an orientation, IFD1 with a thumbnail."""
    value = struct.pack(f"{order}HH" if kind == 3 else f"{order}I", *([orientation, 0][: 5 - kind]))
    first = struct.pack(f"{order}HHHI", 1, 0x0112, kind, 1) + value
    second_at = 8 + len(first) + 4
    at = second_at + 2 + 24 + 4
    second = struct.pack(f"{order}HHHIIHHIII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, len(thumbnail), 0)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    following = struct.pack(f"{order}I", second_at if thumbnail else 0)
    return head + first + following + (second + thumbnail if thumbnail else b"")


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", marker, len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Put segments behind the JFIF header."""
    return jpeg[:20] + b"".join(segments) + jpeg[20:]


def turned(orientation: int, order: str = "<", **more) -> bytes:
    return with_segments(
        encoded("RGB", "JPEG"), segment(0xFFE1, b"Exif\0\0" + exif(orientation, order, **more))
    )


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Put chunks behind IHDR."""
    return png[:33] + b"".join(chunks) + png[33:]


def raw_png(depth: int, colour: int, interlace: int = 0, *chunks: bytes) -> bytes:
    """A black PNG of 8 x 8 pixels, whose rows need no interlacing order: all are 0."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(1, 1)] * 2 + [(2, 1), (2, 2), (4, 2), (4, 4), (8, 4)] if interlace else [(8, 8)]
    rows = b"".join(bytes(1 + -(-w * samples * depth // 8)) * h for w, h in passes)
    head = struct.pack(">2I5B", 8, 8, depth, colour, 0, 0, interlace)
    palette = [chunk(b"PLTE", bytes(6))] if colour == 3 else []
    body = [chunk(b"IHDR", head), *palette, *chunks, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body) + chunk(b"IEND", b"")


JPEGS = {
    **{f"sampling {s}": encoded("RGB", "JPEG", subsampling=s) for s in ("4:4:4", "4:2:2", "4:2:0")},
    "sampling 4:4:0": jpeg_of(32, 48, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x121111),
    "sampling 4:1:1": jpeg_of(32, 48, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111),
    "black, of the fewest bits": jpeg_of(480, 640, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "black and progressive": jpeg_of(480, 640, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "grey": encoded("L", "JPEG"),
    "progressive": encoded("RGB", "JPEG", progressive=True),
    "progressive grey": encoded("L", "JPEG", progressive=True),
    "optimised tables": encoded("RGB", "JPEG", optimize=True),
    "restart intervals": encoded("RGB", "JPEG", restart_marker_blocks=2),
    "a comment": encoded("RGB", "JPEG", comment=b"CREATOR"),
    "a profile of 200 kB": encoded("RGB", "JPEG", icc_profile=bytes(200_000)),
    "four huge segments": with_segments(
        encoded("RGB", "JPEG"), *[segment(0xFFED, bytes(65_000))] * 4
    ),
    "zeros behind the end": encoded("RGB", "JPEG") + bytes(30),
    "a thumbnail": turned(6, thumbnail=encoded("RGB", "JPEG")),
    **{
        f"orientation {value} {order}": turned(value, order)
        for value in (*range(10), 65535)
        for order in "<>"
    },
}
PNGS = {
    **{
        f"{depth} bits, colour type {colour}, interlaced {interlace}": raw_png(
            depth, colour, interlace
        )
        for colour, depths in {
            0: (1, 2, 4, 8, 16),
            2: (8, 16),
            3: (1, 2, 4, 8),
            4: (8, 16),
            6: (8, 16),
        }.items()
        for depth in depths
        for interlace in (0, 1)
    },
    **{
        f"{depth} bits, colour type {colour}, transparent": raw_png(
            depth, colour, 0, chunk(b"tRNS", bytes(length))
        )
        for depth, colour, length in [(8, 0, 2), (16, 0, 2), (8, 2, 6), (16, 2, 6), (8, 3, 1)]
    },
    **{
        f"gamma {gamma}": raw_png(8, 2, 0, chunk(b"gAMA", struct.pack(">I", gamma)))
        for gamma in (45455, 45554, 45555, 35714, 38462, 100_000, 50_000, 0)
    },
    "sRGB": raw_png(8, 2, 0, chunk(b"sRGB", b"\0")),
    "sRGB above gamma": raw_png(
        8, 2, 0, chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"sRGB", b"\0")
    ),
    "square pixels": raw_png(8, 2, 0, chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))),
    "profile": encoded("RGB", "PNG", icc_profile=b"profile"),
    "text": raw_png(8, 2, 0, *[chunk(b"tEXt", b"k\0v")] * 3),
    **{
        f"orientation {value} {order}": raw_png(8, 2, 0, chunk(b"eXIf", exif(value, order)))
        for value in (*range(10), 65535)
        for order in "<>"
    },
}


def jpeg_with(old: bytes, new: bytes) -> bytes:
    data = encoded("RGB", "JPEG")
    assert old in data
    return data.replace(old, new, 1)


def jfif(across: int, down: int) -> tuple[bytes, bytes]:
    return b"\0\0\1\0\1\0\0", struct.pack(">BHH", 1, across, down) + b"\0\0"


def bmp(depth: int, info: int = 40, compression: int = 0, masks: bytes = b"", fill: int = 0):
    """A BMP of 8 x 8 pixels of one value each, with a palette if its pixels need one."""
    colours = 4 << depth if depth <= 8 else 0
    rest = masks.ljust(16, b"\0")[: max(0, info - 40)] if info > 40 else masks
    start = 14 + info + (len(masks) if info == 40 else 0) + colours
    head = struct.pack("<IiiHHII4I", info, 8, 8, 1, depth, compression, 0, 0, 0, 0, 0)
    head += rest.ljust(info - 40, b"\0") if info > 40 else masks
    pixels = bytes([fill]) * ((8 * depth + 31) // 32 * 4 * 8)
    size = start + len(pixels)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + head + bytes(colours) + pixels


TRAILERS = {
    "two bytes": b"ab",
    "a line end": b"\r\n",
    "a second picture": encoded("RGB", "JPEG"),
    "a video of 40 kB": b"\0\0\0\x18ftypmp42" + bytes(40_000),
    "a video of 2 MB": b"\0\0\0\x18ftypmp42" + bytes(2_000_000),
}
MASKS = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
UNUSUAL_JPEGS = {
    **{
        f"JPEG with {what} behind it": encoded("RGB", "JPEG") + behind
        for what, behind in TRAILERS.items()
    },
    "CMYK JPEG": encoded("CMYK", "JPEG"),
    "JPEG of RGB": with_segments(encoded("RGB", "JPEG"), segment(0xFFEE, b"Adobe\0d\0\0\0\0\0")),
    "JPEG of Adobe": with_segments(encoded("RGB", "JPEG"), segment(0xFFEE, b"Adobe\0d\0\0\0\0\1")),
    "JPEG without a mark": encoded("RGB", "JPEG")[:2] + encoded("RGB", "JPEG")[20:],
    "JPEG with pixels that are not square": jpeg_with(*jfif(72, 36)),
    "JPEG with an index of pictures that is empty": with_segments(
        encoded("RGB", "JPEG"), segment(0xFFE2, b"MPF\0")
    ),
    "JPEG with XMP of 60 kB": with_segments(
        encoded("RGB", "JPEG"), segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + b" " * 60_000)
    ),
    "JPEG with an orientation that is a long": turned(6, kind=4),
    "JPEG with an Exif block that is cut off": with_segments(
        encoded("RGB", "JPEG"), segment(0xFFE1, b"Exif\0\0" + exif(6)[:-5])
    ),
    "JPEG with fill bytes": jpeg_with(b"\xff\xdb", b"\xff\xff\xff\xdb"),
}
OTHERS = {
    "BMP of 1 bit": encoded("1", "BMP"),
    "BMP of 8 bits": encoded("P", "BMP"),
    "BMP of 24 bits": encoded("RGB", "BMP"),
    "BMP with transparency": encoded("RGBA", "BMP"),
    "BMP of 32 bits, the last of them 0": bmp(32),
    "BMP of 32 bits": bmp(32, fill=1),
    "BMP of 16 bits": bmp(16),
    "BMP of 16 bits with masks": bmp(16, 40, 3, struct.pack("<3I", 0xF800, 0x7E0, 0x1F)),
    "BMP of 32 bits with masks": bmp(32, 40, 3, MASKS[:12]),
    **{f"BMP with a header of {info} bytes": bmp(32, info, 3, MASKS) for info in (56, 108, 124)},
    "grey BMP without a palette": encoded("L", "BMP"),
    "GIF": encoded("P", "GIF"),
    "GIF with a comment": encoded("P", "GIF", comment=b"c" * 700),
    "GIF of more than the head": encoded("P", "GIF", comment=b"c" * 30_000),
    "lossy WebP": encoded("RGB", "WEBP"),
    "lossy WebP with alpha": encoded("RGBA", "WEBP"),
    "lossless WebP": encoded("RGB", "WEBP", lossless=True),
    "WebP with a profile": encoded("RGB", "WEBP", icc_profile=b"profile!"),
    "WebP that is turned": encoded("RGB", "WEBP", exif=b"Exif\0\0" + exif(6)),
    "WebP with XMP": encoded("RGB", "WEBP", xmp=b"<x/>"),
}
TIFFS = {
    **{f"TIFF, {mode}": encoded(mode, "TIFF") for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK")},
    "TIFF, I;16": encoded("I;16", "TIFF"),
    **{
        f"TIFF, {packing}": encoded("RGB", "TIFF", compression=packing)
        for packing in ("tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits")
    },
    "TIFF, group 4": encoded("1", "TIFF", compression="group4"),
    "TIFF with densities": encoded("RGB", "TIFF", dpi=(72, 100)),
    "TIFF that is turned": encoded("RGB", "TIFF", tiffinfo={274: 6}),
    "TIFF of two pages": encoded("RGB", "TIFF", save_all=True, append_images=[picture("RGB")]),
}
UNUSUAL_PNGS = {
    "PNG with pixels that are not square": raw_png(
        8, 2, 0, chunk(b"pHYs", struct.pack(">IIB", 1, 2, 0))
    ),
    **{
        f"PNG with code points of colour, {points.hex()}": raw_png(8, 2, 0, chunk(b"cICP", points))
        for points in (b"\x09\x10\0\1", b"\x01\x0d\0\0", b"\x09\x12\0\2", b"\xc8\xc8\0\1")
    },
    "PNG of 1 bit with a transparent colour": raw_png(1, 0, 0, chunk(b"tRNS", b"\0\0")),
    "PNG with a profile and gamma": raw_png(
        8, 2, 0, chunk(b"iCCP", b"p\0\0" + zlib.compress(b"x")), chunk(b"gAMA", b"\0\0\xb1\x8f")
    ),
    "PNG with Exif behind its pixels": raw_png(8, 2)[:-12]
    + chunk(b"eXIf", exif(6))
    + raw_png(8, 2)[-12:],
    "PNG of many chunks": raw_png(8, 2)[:33]
    + b"".join([chunk(b"tEXt", b"k\0" + b"v" * 40)] * 300)
    + raw_png(8, 2)[33:],
    "PNG with something behind it": raw_png(8, 2) + b"ab",
}
NETPBM = {
    "PBM": b"P4\n9 2\n" + bytes(4),
    "PGM": b"P5\n5 3\n255\n" + bytes(15),
    "PGM of few greys": b"P5\n5 3\n15\n" + bytes(15),
    "PGM of 16 bits": b"P5\n5 3\n4095\n" + bytes(30),
    "PPM": encoded("RGB", "PPM"),
    "PPM with comments": b"P6\n# by hand\n# twice\n5 3\n255\n" + bytes(45),
    "PPM of 16 bits": b"P6\r\n5 3\n65535\n" + bytes(90),
    "PPM of three pictures": b"P6\n5 3\n255\n" + bytes(45) + (b"P6\n5 3\n255\n" + bytes(45)) * 2,
}
PLAIN = JPEGS | UNUSUAL_JPEGS | PNGS | UNUSUAL_PNGS | OTHERS | TIFFS | NETPBM


@pytest.mark.parametrize("name", PLAIN)
def test_the_header_of_a_picture_says_what_libav_says(folder, name):
    item = folder.item(folder.write("picture", PLAIN[name]))

    with open_item(str(folder.root), item) as file:
        said, wanted = picture_look(file, item), full_look(file, item)

    assert said is not None
    assert said == wanted


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("orientation", "turn", "mirrored", "size"),
    [
        (1, 0, False, (48, 32)),
        (2, 0, True, (48, 32)),
        (3, 180, False, (48, 32)),
        (4, 180, True, (48, 32)),
        (5, 90, True, (32, 48)),
        (6, 90, False, (32, 48)),
        (7, 270, True, (32, 48)),
        (8, 270, False, (32, 48)),
        (9, 0, False, (48, 32)),
        (65535, 0, False, (48, 32)),
    ],
)
def test_exif_turns_a_picture_as_the_standard_says(
    folder, order, orientation, turn, mirrored, size
):
    """CIPA DC-008, table 3: where the 0th row and the 0th column are."""
    said = folder.probe(folder.write("turned.jpg", turned(orientation, order)))

    assert (said.rotation_deg, said.mirrored) == (turn, mirrored)
    assert (said.display_width, said.display_height) == size
    assert (said.width, said.height) == (48, 32)


def with_byte(data: bytes, *, behind: bytes, at: int, value: int) -> bytes:
    place = data.index(behind) + len(behind) + at
    return data[:place] + bytes([value]) + data[place + 1 :]


ODD = {
    "JPEG with two orientations": with_segments(
        encoded("RGB", "JPEG"), *[segment(0xFFE1, b"Exif\0\0" + exif(6))] * 2
    ),
    "JPEG of ITU-R BT.601": with_segments(encoded("RGB", "JPEG"), segment(0xFFFE, b"CS=ITU601")),
    **{
        f"JPEG with a segment of no length, {marker:x}": with_segments(
            encoded("RGB", "JPEG"), segment(0xFFED, bytes(9000)), struct.pack(">HH", marker, 0)
        )
        for marker in (0xFFC0, 0xFFDA, 0xFFE1, 0xFFFE)
    },
    "JPEG whose middle is missing": jpeg_of(480, 640)[:1000] + b"\xff\xd9",
    "PNG that moves": raw_png(8, 2, 0, chunk(b"acTL", struct.pack(">II", 1, 0))),
    "PNG without pixels": raw_png(8, 2).replace(b"IDAT", b"IDAT"[::-1]),
    "GIF that moves": encoded("P", "GIF", save_all=True, append_images=[picture("P").rotate(180)]),
    "WebP with transparency of an unknown kind": with_byte(
        OTHERS["lossy WebP with alpha"], behind=b"ALPH", at=4, value=0xFF
    ),
    "WebP that moves": encoded(
        "RGB", "WEBP", save_all=True, append_images=[picture("RGB").rotate(180)]
    ),
    "PPM that is known by its name": b"P6 5 3 255\n" + bytes(45),
    "PPM with a comment between its sides": b"P6\n5 # wide\n3\n255\n" + bytes(45),
    "PPM of no value": b"P6\n5 3\n0\n" + bytes(45),
    "PPM of text": b"P3\n1 1\n255\n1 2 3\n",
    "BMP with masks of its own": bmp(32, 40, 3, struct.pack("<3I", 7, 56, 448)),
    "nothing": b"",
    "one byte": b"\xff",
    "sound": b"ID3\4" + bytes(100),
}


def said_of(data: bytes) -> Facts | str | None:
    """What the header says, or the class of its error."""
    try:
        return read_picture(data[:HEAD_BYTES], len(data), reader_of(data))
    except ItemError as error:
        return error.error_class


def reader_of(
    data: bytes, asked: list[tuple[int, int]] | None = None
) -> Callable[[int, int], bytes]:
    def pread(length: int, offset: int) -> bytes:
        assert length >= 0
        assert offset >= 0
        if asked is not None:
            asked.append((length, offset))
        return data[offset : offset + length]

    return pread


@pytest.mark.parametrize("name", ODD)
def test_what_a_header_leaves_open_is_left_to_libav(name):
    assert said_of(ODD[name]) is None


ENDED_BEFORE = {
    "zeros behind the end": 30,
    "PPM of three pictures": 2 * 56,
    "lossless WebP": 1,  # evens out its length
    "PNG with something behind it": 2,
    **{f"JPEG with {what} behind it": len(behind) for what, behind in TRAILERS.items()},
}
"""Bytes that follow the picture itself."""


def whole(name: str) -> bytes:
    return PLAIN[name][: len(PLAIN[name]) - ENDED_BEFORE.get(name, 0)]


@pytest.mark.parametrize("name", sorted(PLAIN.keys() - TIFFS.keys()))
def test_a_picture_that_is_cut_off_is_never_taken_for_sound(name):
    data = whole(name)
    steps = {*range(0, len(data), max(1, len(data) // 197)), len(data) - 2, len(data) - 1}

    said = {n: said_of(data[:n]) for n in sorted(steps)}

    assert {n: answer for n, answer in said.items() if answer not in (None, "corrupt")} == {}


@pytest.mark.parametrize("name", sorted(PLAIN.keys() - TIFFS.keys()))
def test_a_picture_without_its_last_byte_is_cut_off(name):
    assert said_of(whole(name)[:-1]) == "corrupt"


def test_a_tiff_whose_strips_are_not_all_there_is_cut_off():
    """Pillow writes the directory first."""
    data = TIFFS["TIFF, RGB"]

    assert said_of(data[:-1]) == said_of(data[:1000]) == "corrupt"


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_that_is_cut_off_is_sound_if_its_first_picture_is_there(name):
    """What is behind it may be a second picture."""
    data = TIFFS[name]
    first = replace(said_of(data), pages=None)

    for n in range(0, len(data), max(1, len(data) // 97)):
        said = said_of(data[:n])
        assert said in (None, "corrupt") or replace(said, pages=None) == first


@pytest.mark.parametrize("behind", [0, 62, 63, 64, 65_000, 65_536, 70_000, 3_000_000])
@pytest.mark.parametrize("what", ["trailer", "missing"])
def test_the_end_of_a_jpeg_is_found_wherever_it_is(what, behind):
    """In the last 64 bytes, in the last 64 kB, then from the first scan on."""
    jpeg = encoded("RGB", "JPEG")
    data = (jpeg if what == "trailer" else jpeg[:-2]) + bytes(behind)

    said = said_of(data)

    assert said == (said_of(jpeg) if what == "trailer" else "corrupt")


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture():
    jpeg = turned(6, thumbnail=encoded("RGB", "JPEG"))
    scan = jpeg.rindex(b"\xff\xda")

    assert said_of(jpeg[: scan + 200]) == "corrupt"
    assert said_of(jpeg[: scan - 20]) == "corrupt"


def bomb(data: bytes, size: bytes, huge: bytes) -> bytes:
    assert size in data
    return data.replace(size, huge, 1)


BOMBS = {
    "JPEG": bomb(JPEGS["grey"], struct.pack(">HH", 32, 48), b"\xff\xfe\xff\xfe"),
    "PNG": bomb(PNGS["sRGB"], struct.pack(">II", 8, 8), struct.pack(">II", 1 << 20, 1 << 20)),
    "GIF": bomb(OTHERS["GIF"], struct.pack("<HH", 48, 32), b"\xff\xff\xff\xff"),
    "BMP": bomb(OTHERS["BMP of 24 bits"], struct.pack("<II", 48, 32), b"\0\0\1\0\0\0\1\0"),
    "TIFF": bomb(
        TIFFS["TIFF, RGB"],
        struct.pack("<HHII", 256, 4, 1, 48),
        struct.pack("<HHII", 256, 4, 1, 1 << 28),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_promises_too_much_is_not_believed(name):
    """It is refused as too large or cut off, or left to libav for what it promises."""
    assert said_of(BOMBS[name]) in (None, "too_large", "corrupt")


@pytest.mark.parametrize(
    ("name", "most_reads", "most_bytes"),
    [
        ("sampling 4:2:0", 0, 0),  # smaller than the head
        ("a profile of 200 kB", 10, 5 * 4096 + 200),
        ("JPEG with XMP of 60 kB", 3, 4096 + 64 + 20),
        ("JPEG with a video of 40 kB behind it", 2, 64 + 65536),
    ],
)
def test_little_is_read_of_a_picture(name, most_reads, most_bytes):
    """The head, a window behind each large segment, and the end."""
    asked: list[tuple[int, int]] = []

    said = read_picture(PLAIN[name][:HEAD_BYTES], len(PLAIN[name]), reader_of(PLAIN[name], asked))

    assert said is not None
    assert len(asked) <= most_reads
    assert sum(length for length, _ in asked) <= most_bytes


def test_the_head_and_the_last_64_bytes_of_an_ordinary_jpeg_are_read():
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    asked: list[tuple[int, int]] = []

    assert read_picture(jpeg[:HEAD_BYTES], len(jpeg), reader_of(jpeg, asked)) is not None
    assert asked == [(64, len(jpeg) - 64)]


def test_chunks_of_one_length_are_passed_over():
    """An encoder writes the pixels of a PNG in chunks of 8 kB."""
    pixels = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
    parts = [chunk(b"IDAT", pixels[at : at + 8192]) for at in range(0, len(pixels), 8192)]
    for behind in (b"", chunk(b"eXIf", exif(6)), chunk(b"tEXt", b"k\0" + bytes(9000))):
        png = raw_png(8, 2)[:33] + b"".join(parts) + behind + raw_png(8, 2)[-12:]
        asked: list[tuple[int, int]] = []

        said = read_picture(png[:HEAD_BYTES], len(png), reader_of(png, asked))

        assert said.rotation_deg == (90 if b"eXIf" in behind else 0)
        assert len(asked) <= 6


@pytest.mark.parametrize(
    "name", ["sampling 4:2:0", "sRGB", "BMP of 24 bits", "lossy WebP", "TIFF, RGB"]
)
def test_equal_looks_give_one_object(name):
    assert said_of(PLAIN[name]) is said_of(PLAIN[name])


def test_a_jpeg_of_endless_segments_is_left_to_libav():
    assert said_of(b"\xff\xd8" + segment(0xFFFE, b"") * 10_000) is None


def test_an_exif_block_that_names_its_directories_over_and_over_is_not_followed():
    """Each entry of a directory points to that directory: 4,096 to the power of its depth."""
    entries = b"".join(struct.pack("<HHII", 0x8769, 4, 1, 8) for _ in range(4000))
    block = (
        b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHIHH", 4001, 0x112, 3, 1, 6, 0) + entries
    )
    jpeg = with_segments(encoded("RGB", "JPEG"), segment(0xFFE1, b"Exif\0\0" + block))

    assert said_of(jpeg) is None


REFUSALS = ("corrupt", "too_large", "unsupported")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_bytes_make_a_reader_fail(data):
    """Any bytes at all, behind the marks that the readers go by."""
    starts = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF", b"II*\0", b"MM\0*"]
    start = data.draw(st.sampled_from(starts))

    said_of(start + data.draw(st.binary(max_size=400)))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_change_of_a_sound_picture_makes_a_reader_fail(data):
    changed = bytearray(data.draw(st.sampled_from(list(PLAIN.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(changed), 1000) - 1))
        changed[place] = data.draw(st.integers(0, 255))

    said = said_of(bytes(changed))

    assert said in (None, *REFUSALS) or 0 < said.width * said.height <= 2**28


def test_facts_of_a_picture_leave_out_what_only_videos_have():
    said = said_of(JPEGS["grey"])

    assert said is not None
    empty = {name for name in said.__struct_fields__ if getattr(said, name) is None}
    assert empty == {
        *("color_range", "color_transfer"),
        *("fps", "vfr", "frames_header", "frames_counted", "size_changes"),
        *("pages", "duration_s", "bit_rate"),
        "pictures_missing",
    }
