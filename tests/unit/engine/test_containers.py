"""Headers of videos are read as far as they are understood: whatever they say, nothing breaks."""

import random
import struct
from fractions import Fraction

import numpy as np
import pytest

from shardmill.contract.errors import Corrupt, TooLarge
from shardmill.contract.location import confinement
from shardmill.contract.schema import Facts
from shardmill_worker.engine import input_file
from shardmill_worker.engine.bitstream.bits import Bits
from shardmill_worker.engine.bitstream.nal import sei_kinds
from shardmill_worker.engine.containers import header_facts
from shardmill_worker.engine.containers.ratio import reduced
from shardmill_worker.engine.looks import LOOKS
from shardmill_worker.engine.probe import probe_item
from shardmill_worker.engine.source import OnlyLibav, Source

FILES = {
    "clip.mp4": "libx264",
    "clip.mov": "mpeg4",
    "clip.mkv": "libx265",
    "clip.webm": "libvpx-vp9",
    "clip.avi": "mpeg4",
}


def headers(data: bytes) -> Facts | None:
    return header_facts(Source(lambda length, offset: data[offset : offset + length], len(data)))


@pytest.fixture
def made(folder, steps):
    def make(name: str, **options) -> bytes:
        folder.video(name, steps(12), codec=FILES[name], rate=25, **options)
        return (folder.root / name).read_bytes()

    return make


@pytest.mark.parametrize("name", FILES)
def test_headers_are_enough(made, name):
    facts = headers(made(name))

    assert facts is not None
    assert (facts.width, facts.height, facts.fps, facts.has_audio) == (64, 48, 25.0, False)


@pytest.mark.parametrize("name", FILES)
def test_no_change_of_a_byte_breaks_the_reader(made, name):
    """What is found may be wrong, as any header may; a claim of too many pixels is refused."""
    data = made(name)
    places = [k for start in (0, max(0, data.find(b"moov"))) for k in range(start, start + 1200)]
    rng = random.Random(name)
    for _ in range(2000):
        broken = bytearray(data)
        place = rng.choice(places) % len(broken)
        change = rng.choice((b"\0", b"\xff" * 4, rng.randbytes(1)))
        broken[place : place + len(change)] = change
        try:
            found = headers(bytes(broken))
        except TooLarge:
            continue
        assert found is None or (found.width > 0 and found.height > 0)


@pytest.mark.parametrize("name", FILES)
def test_a_header_that_is_cut_off_is_left_to_libav(made, name):
    data = made(name)
    ends = range(0, len(data), max(1, len(data) // 300))

    assert {headers(data[:end]) for end in ends if end < data.find(b"mdat") + 8} <= {None}
    for end in ends:
        headers(data[:end])  # nothing is raised


@pytest.mark.parametrize("count", [0, 2**20 + 1, 2**32 - 1])
def test_tables_hold_as_many_entries_as_they_claim(made, count):
    data = made("clip.mp4")
    for box in (b"stts", b"stsz", b"stsc", b"stco"):
        broken = bytearray(data)
        place = data.index(box) + (12 if box == b"stsz" else 8)
        struct.pack_into(">I", broken, place, count)

        assert headers(bytes(broken)) is None


@pytest.mark.parametrize("aspect", [(0, 1), (1, 0), (0, 0), (2**32 - 1, 1)])
def test_an_impossible_shape_of_pixels_is_left_to_libav(made, aspect):
    data = bytearray(made("clip.mp4", sample_aspect=Fraction(4, 3)))
    place = data.index(b"pasp") + 4
    assert (headers(bytes(data)) or Facts()).sample_aspect == "4:3"

    struct.pack_into(">II", data, place, *aspect)

    assert headers(bytes(data)) is None


def test_a_movie_box_of_very_many_boxes_is_left_to_libav(made):
    """Each would be looked at: a million boxes of eight bytes take a second."""
    data = made("clip.mp4")
    place = data.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", data, place)
    filler = struct.pack(">I4s", 8, b"free") * 2000
    grown = data[: place + size] + filler + data[place + size :]
    grown = grown[:place] + struct.pack(">I", size + len(filler)) + grown[place + 4 :]

    assert headers(data) is not None
    assert headers(grown) is None


@pytest.mark.parametrize(
    ("numerator", "denominator", "most", "expected"),
    [
        pytest.param(10**9, 40_000_000, 30_000, (25, 1), id="exact"),
        pytest.param(10**9, 33_366_667, 30_000, (30_000, 1001), id="NTSC"),
        pytest.param(10**9, 41_708_333, 30_000, (24_000, 1001), id="film"),
        pytest.param(
            10**9, 16_683_333, 30_000, (19_001, 317), id="60000/1001 has too large a term"
        ),
        pytest.param(7, 3, 3, (2, 1), id="both terms have the limit"),
        pytest.param(1, 11, 10, (1, 10), id="the nearest there is"),
        pytest.param(0, 5, 9, (0, 1), id="nothing"),
    ],
)
def test_fractions_are_shortened_as_ffmpeg_shortens_them(numerator, denominator, most, expected):
    assert reduced(numerator, denominator, most) == expected


@pytest.mark.parametrize(
    ("bits", "number"),
    [("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("00111", 6), ("0001010", 9)],
)
def test_exp_golomb_numbers_are_those_of_the_standard(bits, number):
    """ITU-T H.264, table 9-2."""
    padded = int(bits.ljust(16, "1"), 2).to_bytes(2)
    read = Bits(padded)

    assert (read.ue(), read.is_overread) == (number, False)
    assert read.u(1) == 1


def test_numbers_past_the_end_are_noticed():
    bits = Bits(b"\0")

    assert (bits.ue(), bits.is_overread) == (0, True)


def test_messages_are_told_by_their_kind():
    """Kind 5 of 300 bytes (255 + 45), kind 302 (255 + 47) of none, then the stop bit."""
    payload = b"\x05\xff\x2d" + bytes([7] * 300) + b"\xff\x2f\x00" + b"\x80"

    assert sei_kinds(payload) == {5, 302}


@pytest.mark.parametrize("codec", LOOKS)
def test_noise_looks_like_nothing(codec):
    rng = np.random.default_rng(0)
    for size in (0, 1, 5, 12, 40, 300):
        header, data = rng.bytes(size), rng.bytes(size)
        with pytest.raises(OnlyLibav):
            LOOKS[codec](header, data)


@pytest.mark.parametrize(("full", "color_range"), [(False, "tv"), (True, "pc")])
def test_vp8_says_its_range_in_its_first_coded_bits(full, color_range):
    """RFC 6386 9.2: the colour space and the clamping type, each an even chance."""
    data = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 64, 48) + (b"\x40" if full else b"\0")

    look = LOOKS["vp8"](b"", data)

    assert (look.width, look.height, look.color_range) == (64, 48, {"tv": 1, "pc": 2}[color_range])


@pytest.mark.parametrize(
    ("code", "aspect"), [(1, Fraction(1)), (2, Fraction(12, 11)), (5, Fraction(40, 33)), (6, None)]
)
def test_mpeg_4_says_the_shape_of_its_pixels(code, aspect):
    """ISO/IEC 14496-2, table 6-12; of a layer without optional parts."""
    fields = [(0, 1), (1, 8), (0, 1), (code, 4), (0, 1), (0, 2), (1, 1), (25, 16), (1, 1), (0, 1)]
    fields += [(1, 1), (64, 13), (1, 1), (48, 13), (1, 1)]
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    layer = int(text.ljust(8 * 12, "0"), 2).to_bytes(12)
    data = b"\0\0\1\x20" + layer + b"\0\0\1\xb6\x10\0\0"

    look = LOOKS["mpeg4"](b"", data)

    assert (look.width, look.height, look.aspect) == (64, 48, aspect)


def test_a_video_that_is_cut_off_is_refused_unless_it_may_be(folder, made):
    data = made("clip.mkv")
    folder.write("clip.mkv", data[:-200])
    item = folder.item("clip.mkv")

    with pytest.raises(Corrupt, match="cut off"):
        probe_item(str(folder.root), item, keep_partial=False)
    assert probe_item(str(folder.root), item, keep_partial=True).width == 64


def test_each_file_is_opened_once(folder, made, steps, monkeypatch):
    opened = []
    real = confinement.open_input
    monkeypatch.setattr(input_file, "open_input", lambda path: opened.append(path) or real(path))
    folder.video("clip.flv", steps(3), codec="flv", rate=25)
    made("clip.mp4")
    made("clip.avi")

    for count, name in enumerate(("clip.mp4", "clip.avi", "clip.flv"), 1):
        folder.probe(name)
        assert len(opened) == count
