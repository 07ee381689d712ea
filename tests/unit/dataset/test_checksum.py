"""A seal is a CRC-32C of all the file, worked out here by hand."""

import json

import pytest

from out_dir import crc32c
from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import (
    OPEN,
    check_seal,
    check_values,
    seal_file,
    sealed,
    sealed_values,
)

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


@pytest.mark.parametrize("filler_bytes", [0, 1, 3_000_000])
def test_a_file_of_any_size_is_sealed_in_its_place(tmp_path, filler_bytes):
    path = tmp_path / "file"
    data = b"crc32c:" + b"x" * filler_bytes + OPEN.encode() + b" tail"
    path.write_bytes(data)

    seal_file(str(path))

    assert path.read_bytes() == sealed(data)
    check_seal(str(path))
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(DatasetDamaged):
        check_seal(str(path))


VALUES = {"b": 1.5, "a": {"\u00e9": [None, True]}}


def test_values_carry_the_checksum_of_their_json():
    """That of another CRC-32C, which follows the polynomial."""
    text = b'{"a": {"\\u00e9": [null, true]}, "b": 1.5}'

    assert sealed_values(VALUES) == VALUES | {"seal": f"crc32c:{crc32c(text):08x}"}
    check_values("x.json", json.loads(json.dumps(sealed_values(VALUES))))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(VALUES, id="no seal"),
        pytest.param(sealed_values(VALUES) | {"b": 1.6}, id="another value"),
        pytest.param(sealed_values(VALUES) | {"c": 0}, id="one more"),
        pytest.param([1], id="no object"),
    ],
)
def test_values_that_are_not_those_that_were_sealed_are_refused(values):
    with pytest.raises(DatasetDamaged, match=r"^x\.json "):
        check_values("x.json", values)
