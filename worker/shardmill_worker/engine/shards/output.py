"""The file of a shard that is written from front to back, made durable at its end."""

import os
from contextlib import suppress
from typing import Final

from shardmill.storage import files

_BUFFER_BYTES: Final = 1 << 20
"""Frames are small: so many bytes go to the system together."""


class OutputFile:
    """A new file; what stood under its name before is gone."""

    def __init__(self, path: str) -> None:
        self._file = os.fdopen(files.create(path), "wb", _BUFFER_BYTES)
        self.end = 0
        """Bytes written so far."""

    def append(self, data: bytes) -> int:
        """Write at the end; return where ``data`` begins.

        Raises:
            OSError: The file cannot be written.
        """
        self._file.write(data)
        start, self.end = self.end, self.end + len(data)
        return start

    def overwrite_start(self, data: bytes) -> None:
        """Write over the first bytes of the file.

        Raises:
            OSError: The file cannot be written.
        """
        self._file.seek(0)
        self._file.write(data)
        self._file.seek(self.end)

    def finish(self) -> None:
        """Flush everything to the disk and close the file.

        Raises:
            OSError: The file cannot be written.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        with suppress(OSError):  # what is still to be written no longer matters
            self._file.close()
