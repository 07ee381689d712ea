"""What a JPEG's header says is what libav's decoder makes of it, for every way to sample colours.

The pictures are black and made by hand: each block of 8 x 8 samples is two codes of one bit.
"""

import struct
from collections.abc import Iterator
from itertools import product

import pytest

from engine_work import look_at
from shardmill.contract.errors import ItemError
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats import HEAD_BYTES, read_picture
from shardmill_worker.engine.probe import full_look

FACTORS = (0x11, 0x12, 0x21, 0x22, 0x14, 0x41, 0x42, 0x24, 0x13, 0x31, 0x23, 0x44)
CHROMA = (0x11, 0x12, 0x21, 0x22)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", marker, len(body) + 2) + body


def black(
    sampling: tuple[int, ...],
    ids: bytes = b"\1\2\3\4",
    *notes: bytes,
    progressive: bool = False,
    size: tuple[int, int] = (32, 32),
) -> bytes:
    """A JPEG of one component for each sampling factor."""
    count, (width, height) = len(sampling), size
    components = [bytes(pair) for pair in zip(ids, sampling, bytes(count), strict=False)]
    code = bytes([1]) + bytes(15) + b"\0"  # one code of one bit, for the value 0
    scan = b"".join(bytes([one, 0]) for one in ids[:count])
    across, down = max(f >> 4 for f in sampling), max(f & 15 for f in sampling)
    blocks = sum((f >> 4) * (f & 15) for f in sampling)
    if count == 1:
        across = down = blocks = 1
    blocks *= -(-width // (8 * across)) * -(-height // (8 * down))
    bits = blocks * (1 if progressive else 2)
    padding = -bits % 8
    return b"".join(
        [
            b"\xff\xd8",
            *notes,
            segment(0xFFDB, b"\0" + b"\1" * 64),
            segment(
                0xFFC2 if progressive else 0xFFC0,
                struct.pack(">BHHB", 8, height, width, count) + b"".join(components),
            ),
            segment(0xFFC4, b"\x00" + code),
            segment(0xFFC4, b"\x10" + code),
            segment(0xFFDA, bytes([count]) + scan + (b"\0\0\0" if progressive else b"\0\x3f\0")),
            ((1 << padding) - 1).to_bytes((bits + padding) // 8),
            b"\xff\xd9",
        ]
    )


def adobe(transform: int) -> bytes:
    return segment(0xFFEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def compared(folder, pictures: Iterator[tuple[object, bytes]]) -> tuple[int, dict]:
    """How many headers libav agrees with, and what is said of the others."""
    agreed, others = 0, {}
    for name, data in pictures:
        ours = read_picture(data[:HEAD_BYTES], len(data), lambda n, at, d=data: d[at : at + n])
        try:
            libav = look_at(
                full_look, str(folder.root), folder.item(folder.write("black.jpg", data))
            )
        except ItemError as error:
            libav = error.error_class
        if ours == libav:
            agreed += 1
        elif ours is not None or isinstance(libav, Facts):
            others[name] = (ours, libav)
    return agreed, others


def test_every_sampling_of_three_components(folder):
    kinds = [
        *[(b"\1\2\3", (), progressive) for progressive in (False, True)],
        *[(b"\1\2\3", (adobe(transform),), False) for transform in (0, 1)],
        *[(b"RGB", (), progressive) for progressive in (False, True)],
    ]
    pictures = (
        ((factors, ids, notes, progressive), black(factors, ids, *notes, progressive=progressive))
        for factors in product(FACTORS, CHROMA, CHROMA)
        for ids, notes, progressive in kinds
    )

    agreed, others = compared(folder, pictures)

    assert others == {}
    assert agreed > 200


def test_every_sampling_of_four_components(folder):
    kinds = [(b"\1\2\3\4", ()), (b"CMYK", ()), (b"CMYK", (adobe(2),))]
    kinds += [(b"\1\2\3\4", (adobe(transform),)) for transform in (0, 1, 2)]
    pictures = (
        ((factors, ids, notes, progressive), black(factors, ids, *notes, progressive=progressive))
        for factors in product((0x11, 0x22, 0x21), (0x11, 0x22), (0x11, 0x22), (0x11, 0x22))
        for ids, notes in kinds
        for progressive in (False, True)
    )

    agreed, others = compared(folder, pictures)

    assert others == {}
    assert agreed > 40


def test_every_sampling_of_grey(folder):
    pictures = (
        ((factor, progressive), black((factor,), progressive=progressive))
        for factor in (*FACTORS, 0x33, 0x34, 0x43)
        for progressive in (False, True)
    )

    agreed, others = compared(folder, pictures)

    assert others == {}
    assert agreed > 10


@pytest.mark.parametrize("marker", [0xFFE0, 0xFFE1, 0xFFE2, 0xFFED, 0xFFEF, 0xFFFE])
def test_segments_that_say_something_in_one_place_alone(folder, marker):
    """JFIF, Adobe and Exif, whole and cut short, in segments of every kind."""
    bodies = [
        *(b"JFIF\0\1\2\0" + struct.pack(">HH", *density) + b"\0\0" for density in DENSITIES),
        *(b"JFIF\0", b"JFXX\0\x10", b"JFIF\0\1\2\0\0\1\0"),
        *(b"Adobe\0\x64\0\0\0\0\0", b"Adobe_CM" + bytes(10)),
        *(b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0" + UPSIDE_DOWN, b"Exif\0\0" + UPSIDE_DOWN[:-6]),
        *(b"Intel(R) JPEG Library, version 1,5", b"ICC_PROFILE\0\1\1" + bytes(30), b"MPF\0"),
        *(b"_JPSJPS_" + bytes(8), b"mjpg" * 20, b"FLIR\0\1\0\0", b"text"),
    ]
    pictures = (
        (body, black((0x22, 0x11, 0x11), b"\1\2\3", segment(marker, body))) for body in bodies
    )

    agreed, others = compared(folder, pictures)

    assert others == {}
    assert agreed == len(bodies)


DENSITIES = [(1, 1), (0, 0), (0, 1), (1, 2), (72, 72), (72, 144), (1, 64), (33, 1), (65535, 65534)]
UPSIDE_DOWN = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, 3, 0, 0)
