"""A seal is a CRC-32C of all the file, worked out here by hand."""

import pytest

from out_dir import crc32c
from shardmill.contract.errors import DatasetDamaged
from shardmill.contract.seal import OPEN, check_seal, sealed

WRITTEN = b"head " + OPEN.encode() + b" tail"


def test_the_seal_is_the_checksum_of_the_file_with_zeros_in_its_place(tmp_path):
    data = sealed(WRITTEN)

    assert data == b"head crc32c:%08x tail" % crc32c(WRITTEN)
    (tmp_path / "file").write_bytes(data)
    check_seal(str(tmp_path / "file"))


def test_what_looks_like_a_seal_before_it_is_data(tmp_path):
    """A file's name, for instance, which the manifest holds."""
    written = b"crc32c:12345678.mp4 " + WRITTEN
    data = sealed(written)

    assert data == b"crc32c:12345678.mp4 head crc32c:%08x tail" % crc32c(written)
    (tmp_path / "file").write_bytes(data.replace(b"12345678", b"00000000"))
    with pytest.raises(DatasetDamaged, match="does not match its own checksum"):
        check_seal(str(tmp_path / "file"))


@pytest.mark.parametrize("data", [b"", b"no seal", b"crc32c:1234567", b"CRC32C:00000000"])
def test_a_file_without_a_seal_is_told(tmp_path, data):
    (tmp_path / "file").write_bytes(data)

    with pytest.raises(DatasetDamaged, match="expected a file with its own checksum"):
        check_seal(str(tmp_path / "file"))
