"""The tests' own TFRecord writer is right by published figures."""

import struct

import pytest

from out_dir import crc32c, masked, tfrecord


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"123456789", 0xE3069283, id="the check value of every CRC catalogue"),
        pytest.param(bytes(32), 0x8A9136AA, id="RFC 3720: 32 bytes of zeroes"),
        pytest.param(b"\xff" * 32, 0x62A8AB43, id="RFC 3720: 32 bytes of ones"),
        pytest.param(bytes(range(32)), 0x46DD794E, id="RFC 3720: 32 bytes up"),
    ],
)
def test_crc32c_gives_the_published_values(data, crc):
    assert crc32c(data) == crc


def test_the_mask_turns_right_by_fifteen_bits_and_adds_a_constant():
    # 0xE3069283 turned right by 15 is 0x2507C60D; plus 0xA282EAD8
    assert masked(b"123456789") == struct.pack("<I", 0xC78AB0E5)


def test_an_empty_record_is_two_checksums_around_a_length():
    assert tfrecord(b"") == bytes(8) + masked(bytes(8)) + bytes.fromhex("d8ea82a2")
