"""A file that holds the checksum of its own bytes, where its format lets us add a word.

Parquet and Arrow check some of their bytes and trust others: the footer, the page headers.  So
the manifest and the index carry a seal in their last metadata: the CRC-32C of the whole file, as
it is with eight zeros in the seal's place.
"""

from typing import Final

import google_crc32c

from shardmill.contract.errors import DatasetDamaged

SEAL: Final = "seal"
"""Key of the metadata that holds it."""
OPEN: Final = "crc32c:00000000"
"""Its value before the file is sealed."""
_MARK: Final = b"crc32c:"
_DIGITS: Final = 8


def sealed(data: bytes) -> bytes:
    """Return a file's bytes, written with ``OPEN`` as the last of such words, with its seal."""
    place, crc = _opened(data)
    return b"%b%08x%b" % (data[:place], crc, data[place + _DIGITS :])


def check_seal(path: str) -> None:
    """Read a file to its end and compare it with its seal.

    Raises:
        DatasetDamaged: It has none, or its bytes are not those that were sealed.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read()
    place, crc = _opened(data)
    if data[place : place + _DIGITS] != b"%08x" % crc:
        raise DatasetDamaged(f"{path} does not match its own checksum")


def _opened(data: bytes) -> tuple[int, int]:
    """Return where the digits of a seal stand, and what they should be.

    Raises:
        DatasetDamaged: There is no seal.
    """
    mark = data.rfind(_MARK)
    place = mark + len(_MARK)
    if mark < 0 or len(data) < place + _DIGITS:
        raise DatasetDamaged("expected a file with its own checksum, found none")
    crc = google_crc32c.value(data[:place] + b"0" * _DIGITS + data[place + _DIGITS :])
    return place, crc
