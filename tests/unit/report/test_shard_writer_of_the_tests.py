"""The tests' own TFRecord writer is right by published figures."""

import struct

import pytest

from out_dir import crc32c, masked, tfrecord
from shardmill.report.shard_bytes import masked_crc


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
    assert struct.pack("<I", masked_crc(crc)) == masked(data)


def test_the_mask_of_zero_is_the_constant_alone():
    assert masked_crc(0) == 0xA282EAD8


def test_the_mask_turns_right_by_fifteen_bits_and_wraps():
    # 0x00008001 turned right by 15 is 0x00020001; 2**31 + ... must wrap past 32 bits
    assert masked_crc(0x00008001) == 0x00020001 + 0xA282EAD8
    assert masked_crc(0xFFFFFFFF) == (0xFFFFFFFF + 0xA282EAD8) - 2**32


def test_an_empty_record_is_two_checksums_around_a_length():
    assert tfrecord(b"") == bytes(8) + masked(bytes(8)) + bytes.fromhex("d8ea82a2")
