"""A packet's own bits tell whether decoding can start at it and whether others need it.

Bytes are written by hand after the standards that the module names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardmill_worker.engine.bitstream import Role, head_of, inspector_of

START, NEEDED = Role(True, False), Role(False, False)
SPARE, ALONE = Role(False, True), Role(True, True)


@dataclass
class Codec:
    canonical_name: str


@dataclass
class Context:
    codec: Codec
    extradata: bytes | None = None


def role(codec: str, data: bytes, header: bytes = b"") -> Role | None:
    inspect = inspector_of(Context(Codec(codec), header))
    assert inspect is not None
    return inspect(data)


def boxed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def sps(*, progressive: bool) -> bytes:
    """Baseline profile: id 0, log2 0, order type 2, 1 reference, no gaps, 1x1 macroblocks."""
    bits = "1" + "1" + "011" + "010" + "0" + "1" + "1" + ("1" if progressive else "0") + "1"
    return bytes([0x67, 66, 0, 30]) + int(bits.ljust(16, "0"), 2).to_bytes(2)


def high_sps(*, progressive: bool) -> bytes:
    """High profile: 4:2:0, 8 bits, one scaling list of 16 that ends at once, order type 0."""
    bits = "1" + "010" + "1" + "1" + "0" + "1" + "1" + "000010001" + "0" * 7
    bits += "1" + "1" + "1" + "010" + "0" + "1" + "1" + ("1" if progressive else "0") + "1"
    return bytes([0x67, 100, 0, 30]) + int(bits.ljust(48, "0"), 2).to_bytes(6)


def avcc(*sets: bytes, pictures: Sequence[bytes] = ()) -> bytes:
    head = bytes([1, 66, 0, 30, 0xFF, 0xE0 | len(sets)])
    return head + lengths_first(sets) + bytes([len(pictures)]) + lengths_first(pictures)


def lengths_first(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2) + unit for unit in units)


IDR, P, B, AUD, SEI = b"\x65\x88", b"\x41\x9a", b"\x01\x9e", b"\x09\xf0", b"\x06\x05"


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        pytest.param([AUD, SEI, IDR], START, id="an IDR picture"),
        pytest.param([P], NEEDED, id="a reference"),
        pytest.param([SEI, B], SPARE, id="no reference"),
        pytest.param([B, P], NEEDED, id="one slice is a reference"),
        pytest.param([sps(progressive=True), IDR], START, id="parameters in the stream"),
        pytest.param([sps(progressive=False), IDR], None, id="fields may come"),
        pytest.param([SEI], None, id="no picture at all"),
        pytest.param([b"\x14\x88", P], None, id="a second layer"),
        pytest.param([b"\x02\x88"], None, id="a partitioned slice"),
    ],
)
def test_h264(units, expected):
    header = avcc(sps(progressive=True))

    assert role("h264", boxed(*units), header) == expected
    assert role("h264", annex_b(*units)) == expected


@pytest.mark.parametrize("make", [sps, high_sps])
def test_h264_with_fields_is_left_alone(make):
    def inspector(progressive: bool, wrap):
        return inspector_of(Context(Codec("h264"), wrap(make(progressive=progressive))))

    for wrap in (avcc, annex_b):
        assert inspector(True, wrap) is not None
        assert inspector(False, wrap) is None


def hvcc(layers: int, *sets: bytes) -> bytes:
    """Each set in an array of its own, as encoders write them."""
    arrays = [bytes([unit[0] >> 1, 0, 1]) + lengths_first([unit]) for unit in sets]
    return bytes([1] + 20 * [0] + [layers << 3 | 3, len(sets)]) + b"".join(arrays)


@pytest.mark.parametrize(
    ("kinds", "layers", "expected"),
    [
        pytest.param([35, 39, 19], 1, START, id="IDR"),
        pytest.param([21], 1, START, id="CRA"),
        pytest.param([1], 1, NEEDED, id="reference"),
        pytest.param([0], 1, SPARE, id="sub-layer non-reference"),
        pytest.param([8], 1, SPARE, id="skipped leading non-reference"),
        pytest.param([9], 1, NEEDED, id="skipped leading reference"),
        pytest.param([0], 2, NEEDED, id="a higher sub-layer may need it"),
        pytest.param([0, 1], 1, NEEDED, id="one slice is a reference"),
        pytest.param([39], 1, None, id="no picture at all"),
    ],
)
def test_hevc(kinds, layers, expected):
    units = [bytes([kind << 1, 1, 0x80]) for kind in kinds]

    assert role("hevc", boxed(*units), hvcc(layers)) == expected
    without_count = NEEDED if expected == SPARE else expected
    assert role("hevc", annex_b(*units), b"\0\0\0\1") == without_count


def superframe(*frames: bytes) -> bytes:
    marker = bytes([0xC0 | len(frames) - 1])  # sizes of one byte
    return b"".join(frames) + marker + bytes(map(len, frames)) + marker


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        pytest.param("vp8", b"\x10\x00", START, id="vp8 keyframe"),
        pytest.param("vp8", b"\x11\x00", NEEDED, id="vp8 inter frame"),
        pytest.param("vp8", b"\x01\x00", None, id="vp8 frame that is not shown"),
        pytest.param("vp8", b"", None, id="vp8 nothing"),
        pytest.param("vp9", b"\x82\x49", START, id="vp9 keyframe"),
        pytest.param("vp9", b"\x86\x00", NEEDED, id="vp9 inter frame"),
        pytest.param("vp9", b"\x84\x00", None, id="vp9 frame that is not shown"),
        pytest.param("vp9", b"\x88", NEEDED, id="vp9 shows an earlier frame"),
        pytest.param("vp9", b"\xb1\x40", START, id="vp9 keyframe of profile 3"),
        pytest.param("vp9", superframe(b"\x84\0", b"\x86\0"), NEEDED, id="vp9 one of two shown"),
        pytest.param("vp9", superframe(b"\x80\0", b"\x88"), START, id="vp9 hidden keyframe shown"),
        pytest.param("vp9", superframe(b"\x86\0", b"\x86\0"), None, id="vp9 two shown"),
        pytest.param("av1", b"\x12\0\x0a\x01\x00\x32\x01\x10", START, id="av1 keyframe"),
        pytest.param("av1", b"\x12\0\x32\x01\x10", NEEDED, id="av1 keyframe without sequence"),
        pytest.param("av1", b"\x12\0\x0a\x01\x00\x32\x01\x00", NEEDED, id="av1 hidden keyframe"),
        pytest.param("av1", b"\x12\0\x32\x01\x30", NEEDED, id="av1 inter frame"),
        pytest.param("av1", b"\x12\0\x1a\x01\x90", NEEDED, id="av1 shows an earlier frame"),
        pytest.param("av1", b"\x0a\x01\x18\x32\x01\x00", None, id="av1 still picture"),
        pytest.param("av1", b"\x12\0", None, id="av1 no frame"),
        pytest.param("av1", b"\x16\0\0\x0c\x01\0\x36\0\x01\x10", None, id="av1 a size is missing"),
    ],
)
def test_other_codecs(codec, data, expected):
    assert role(codec, data) == expected


def test_pictures_on_their_own_need_nothing_and_serve_nobody():
    inspect = inspector_of(Context(Codec("prores")))

    assert inspect(b"anything") == ALONE


def jpeg(*markers: int) -> bytes:
    """A picture's head: segments without content, a scan, and what looks like tables in it."""
    segments = [bytes([0xFF, marker, 0, 2]) for marker in (*markers, 0xC0, 0xDA)]
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xdb\0\2\xff\xc4\0\2"


QUANTISATION, HUFFMAN, RESTART = 0xDB, 0xC4, 0xDD


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        pytest.param([QUANTISATION, HUFFMAN], [HUFFMAN, QUANTISATION], ALONE, id="all tables"),
        pytest.param([QUANTISATION], [QUANTISATION], ALONE, id="the standard's Huffman tables"),
        pytest.param([QUANTISATION, HUFFMAN], [], None, id="none later"),
        pytest.param([QUANTISATION, HUFFMAN], [QUANTISATION], None, id="Huffman tables are kept"),
        pytest.param([QUANTISATION], [QUANTISATION, HUFFMAN], None, id="Huffman tables appear"),
        pytest.param([QUANTISATION], [QUANTISATION, RESTART], None, id="restarts begin"),
        pytest.param([], [], None, id="never any"),
    ],
)
def test_a_jpeg_in_a_video_is_alone_if_it_has_the_tables_of_the_others(first, later, expected):
    inspect = inspector_of(Context(Codec("mjpeg")))
    inspect(jpeg(*first))

    assert inspect(jpeg(*later)) == expected


PPS, OTHER_PPS = bytes([0x68, 1, 2]), bytes([0x68, 1, 3])
IDR = bytes([0x65, 1])


@pytest.mark.parametrize(
    ("header", "first", "later", "expected"),
    [
        pytest.param([PPS], [], [], START, id="in the header"),
        pytest.param([PPS], [PPS], [PPS], START, id="and again with each"),
        pytest.param([], [PPS], [], START, id="with the first packet alone"),
        pytest.param([], [PPS], [PPS + b"\0"], START, id="zeros behind it"),
        pytest.param([PPS], [], [OTHER_PPS], None, id="another than in the header"),
        pytest.param([], [PPS], [OTHER_PPS], None, id="another than with the first"),
    ],
)
def test_h264_skips_nothing_where_parameter_sets_change(header, first, later, expected):
    boxes = avcc(sps(progressive=True), pictures=header) if header else b""
    wrapped = boxed if header else annex_b
    inspect = inspector_of(Context(Codec("h264"), boxes))
    inspect(wrapped(*first, IDR))

    assert inspect(wrapped(*later, IDR)) == expected


def test_h264_of_another_start_than_its_header_is_never_skipped_in():
    inspect = inspector_of(Context(Codec("h264"), avcc(sps(progressive=True), pictures=[PPS])))

    assert inspect(boxed(OTHER_PPS, IDR)) is None


VPS, HEVC_SPS, HEVC_PPS = bytes([0x40, 1, 7]), bytes([0x42, 1, 7]), bytes([0x44, 1, 7])
OTHER_HEVC_PPS, HEVC_IDR = bytes([0x44, 1, 8]), bytes([0x26, 1, 0x80])


@pytest.mark.parametrize("is_boxed", [True, False])
@pytest.mark.parametrize(
    ("later", "expected"), [((), START), ((HEVC_PPS,), START), ((OTHER_HEVC_PPS,), None)]
)
def test_h265_skips_nothing_where_parameter_sets_change(is_boxed, later, expected):
    sets = (VPS, HEVC_SPS, HEVC_PPS)
    header = hvcc(1, *sets) if is_boxed else annex_b(*sets)
    wrapped = boxed if is_boxed else annex_b
    inspect = inspector_of(Context(Codec("hevc"), header))
    inspect(wrapped(HEVC_IDR))

    assert inspect(wrapped(*later, HEVC_IDR)) == expected


def test_other_codecs_are_not_understood():
    assert inspector_of(Context(Codec("mpeg4"))) is None


@given(
    codec=st.sampled_from(["h264", "hevc", "vp8", "vp9", "av1"]),
    header=st.binary(max_size=60),
    data=st.binary(max_size=200),
)
def test_no_bytes_do_harm(codec, header, data):
    inspect = inspector_of(Context(Codec(codec), header))

    assert inspect is None or inspect(data) in (None, START, NEEDED, SPARE)


PICTURE = bytes(range(1, 255)) * 4
HEVC_AUD, HEVC_IDR = b"\x46\x01\x50", b"\x26\x01"


def started(*units: bytes) -> bytes:
    return b"".join(b"\0\0\1" + unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "header", "before", "picture"),
    [
        pytest.param("h264", avcc(sps(progressive=True)), [AUD, SEI], IDR + PICTURE, id="h264"),
        pytest.param("hevc", hvcc(1), [HEVC_AUD], HEVC_IDR + PICTURE, id="hevc"),
    ],
)
def test_of_a_packet_all_is_left_up_to_the_head_of_its_first_slice(codec, header, before, picture):
    for wrap, extra in ((boxed, header), (started, b"")):
        packet = av.Packet(wrap(*before, picture, picture))

        assert head_of(Context(Codec(codec), extra), packet) == wrap(*before, picture[:256])


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_of_a_frame_its_headers_are_left_and_zeros(codec):
    packet = av.Packet(b"\x82" + PICTURE * 2)

    head = head_of(Context(Codec(codec)), packet)

    assert head == (b"\x82" + PICTURE * 2)[:1024] + bytes(2 * len(PICTURE) + 1 - 1024)


@pytest.mark.parametrize(
    ("codec", "unit"), [("h264", AUD), ("hevc", HEVC_AUD), ("vp9", IDR), ("av1", 2 * PICTURE)]
)
def test_a_packet_of_which_nothing_can_be_left_out_has_no_head(codec, unit):
    assert head_of(Context(Codec(codec), b""), av.Packet(started(unit))) is None


@given(
    codec=st.sampled_from(["h264", "hevc", "vp8"]),
    header=st.binary(max_size=60),
    data=st.binary(max_size=200),
)
def test_no_head_is_longer_than_its_packet(codec, header, data):
    head = head_of(Context(Codec(codec), header), av.Packet(data))

    assert head is None or len(head) <= len(data)
