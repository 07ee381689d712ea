"""A picture read by its header alone is what libav says after decoding it, or libav is asked."""

import io
import struct
import zlib
from contextlib import suppress

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.plain import plain_facts
from shardmill_worker.engine.probe import full_look, plain_look
from shardmill_worker.engine.source import Source


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
OTHERS = {
    "BMP of 1 bit": encoded("1", "BMP"),
    "BMP of 8 bits": encoded("P", "BMP"),
    "BMP of 24 bits": encoded("RGB", "BMP"),
    "GIF": encoded("P", "GIF"),
    "GIF with a comment": encoded("P", "GIF", comment=b"c" * 700),
    "lossy WebP": encoded("RGB", "WEBP"),
    "lossy WebP with alpha": encoded("RGBA", "WEBP"),
    "lossless WebP": encoded("RGB", "WEBP", lossless=True),
    "WebP with a profile": encoded("RGB", "WEBP", icc_profile=b"profile!"),
}
PLAIN = JPEGS | PNGS | OTHERS


@pytest.mark.parametrize("name", PLAIN)
def test_the_header_of_a_plain_picture_says_what_libav_says(folder, name):
    item = folder.item(folder.write("picture", PLAIN[name]))

    said = plain_look(str(folder.root), item)

    assert said is not None
    assert said == full_look(str(folder.root), item)


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


def jpeg_with(old: bytes, new: bytes) -> bytes:
    data = encoded("RGB", "JPEG")
    assert old in data
    return data.replace(old, new, 1)


def with_byte(data: bytes, *, behind: bytes, at: int, value: int) -> bytes:
    place = data.index(behind) + len(behind) + at
    return data[:place] + bytes([value]) + data[place + 1 :]


def jfif(across: int, down: int) -> tuple[bytes, bytes]:
    return b"\0\0\1\0\1\0\0", struct.pack(">BHH", 1, across, down) + b"\0\0"


ODD = {
    "CMYK JPEG": encoded("CMYK", "JPEG"),
    "JPEG with pixels that are not square": jpeg_with(*jfif(72, 36)),
    "JPEG of RGB": with_segments(encoded("RGB", "JPEG"), segment(0xFFEE, b"Adobe\0d\0\0\0\0\0")),
    "JPEG of several pictures": with_segments(encoded("RGB", "JPEG"), segment(0xFFE2, b"MPF\0")),
    "two JPEGs": encoded("RGB", "JPEG") * 2,
    "JPEG with two orientations": with_segments(
        encoded("RGB", "JPEG"), *[segment(0xFFE1, b"Exif\0\0" + exif(6))] * 2
    ),
    "JPEG with an orientation that is a long": turned(6, kind=4),
    "JPEG with an Exif block that is cut off": with_segments(
        encoded("RGB", "JPEG"), segment(0xFFE1, b"Exif\0\0" + exif(6)[:-5])
    ),
    "JPEG whose middle is missing": jpeg_of(480, 640)[:1000] + b"\xff\xd9",
    "PNG that moves": raw_png(8, 2, 0, chunk(b"acTL", struct.pack(">II", 1, 0))),
    "PNG with pixels that are not square": raw_png(
        8, 2, 0, chunk(b"pHYs", struct.pack(">IIB", 1, 2, 0))
    ),
    "PNG with code points of colour": raw_png(8, 2, 0, chunk(b"cICP", b"\x09\x10\0\1")),
    "PNG of 1 bit with a transparent colour": raw_png(1, 0, 0, chunk(b"tRNS", b"\0\0")),
    "PNG without pixels": raw_png(8, 2).replace(b"IDAT", b"IDAT"[::-1]),
    "GIF that moves": encoded("P", "GIF", save_all=True, append_images=[picture("P").rotate(180)]),
    "BMP with transparency": encoded("RGBA", "BMP"),
    "WebP that is turned": encoded("RGB", "WEBP", exif=b"Exif\0\0" + exif(6)),
    "WebP with transparency of an unknown kind": with_byte(
        OTHERS["lossy WebP with alpha"], behind=b"ALPH", at=4, value=0xFF
    ),
    "WebP that moves": encoded(
        "RGB", "WEBP", save_all=True, append_images=[picture("RGB").rotate(180)]
    ),
    "TIFF": encoded("RGB", "TIFF"),
    "nothing": b"",
    "one byte": b"\xff",
}


REFUSED = "too large"


def said_of(data: bytes):
    source = Source(lambda length, offset: data[offset : offset + length], len(data))
    try:
        return plain_facts(source)
    except TooLarge:
        return REFUSED


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_plain_is_left_to_libav(name):
    assert said_of(ODD[name]) is None


@pytest.mark.parametrize("name", PLAIN)
def test_a_picture_that_is_cut_off_is_left_to_libav(name):
    data = PLAIN[name].rstrip(b"\0") if name == "zeros behind the end" else PLAIN[name]

    assert [n for n in range(0, len(data), max(1, len(data) // 97)) if said_of(data[:n])] == []
    assert said_of(data[:-1]) is None


def bomb(data: bytes, size: bytes, huge: bytes) -> bytes:
    assert size in data
    return data.replace(size, huge, 1)


BOMBS = {
    "JPEG": bomb(JPEGS["grey"], struct.pack(">HH", 32, 48), b"\xff\xfe\xff\xfe"),
    "PNG": bomb(PNGS["sRGB"], struct.pack(">II", 8, 8), struct.pack(">II", 1 << 20, 1 << 20)),
    "GIF": bomb(OTHERS["GIF"], struct.pack("<HH", 48, 32), b"\xff\xff\xff\xff"),
    "BMP": bomb(OTHERS["BMP of 24 bits"], struct.pack("<II", 48, 32), b"\0\0\1\0\0\0\1\0"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_promises_too_much_is_not_believed(name):
    """It is refused as too large, or left to libav for being too short for what it promises."""
    assert said_of(BOMBS[name]) in (None, REFUSED)


def test_little_is_read_of_a_large_picture():
    """The head, one window behind a large profile, and the end."""
    data = JPEGS["a profile of 200 kB"] + bytes(10)
    asked: list[int] = []

    def pread(length: int, offset: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    assert plain_facts(Source(pread, len(data))) is not None
    assert len(asked) <= 8
    assert sum(asked) <= 8 * 4096


@pytest.mark.parametrize("filled", [0, 1300, 1395, 1420, 1440, 1500, 3400, 3470, 15_000, 40_000])
@pytest.mark.parametrize("behind", [20, 200, 700, 1500, 2500, 4000, 8000])
def test_a_second_start_counts_as_far_as_libav_looks(filled, behind):
    """In the first 2 kB, 4 kB, ..., the fewest that hold the header."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    jpeg = with_segments(jpeg, segment(0xFFFE, b"a" * filled)) if filled else jpeg
    at = jpeg.index(b"\xff\xda") + behind
    twice = jpeg[:at] + b"\xff\xd8" + jpeg[at + 2 :]

    with suppress(av.error.InvalidDataError), av.open(io.BytesIO(twice)) as container:
        if container.format.name == "jpeg_pipe":
            return  # a reader that is more careful than libav asks it
    assert (
        plain_facts(Source(lambda length, offset: twice[offset : offset + length], len(twice)))
        is None
    )


def test_what_lies_behind_what_libav_looks_at_is_of_no_account():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    twice = jpeg[:3000] + b"\xff\xd8" + jpeg[3002:]

    with av.open(io.BytesIO(twice)) as container:
        assert container.format.name == "jpeg_pipe"
    assert plain_facts(Source(lambda length, offset: twice[offset : offset + length], len(twice)))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_bytes_make_a_reader_fail(data):
    """Any bytes at all, behind the marks that the readers go by."""
    starts = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF"]
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

    assert said in (None, REFUSED) or 0 < said.width * said.height <= 2**28


def test_facts_of_a_plain_picture_leave_out_what_only_videos_have():
    said = said_of(JPEGS["grey"])

    assert said is not None
    empty = {name for name in said.__struct_fields__ if getattr(said, name) is None}
    assert empty == {
        *("color_range", "color_transfer"),
        *("fps", "vfr", "frames_header", "frames_counted", "size_changes"),
        *("pages", "duration_s", "bit_rate"),
        "pictures_missing",
    }
