"""Probing plain pictures by the thousand: a few system calls and no object a file."""

import os
from functools import partial
from stat import S_ISREG

import pyarrow as pa

from shardmill.contract.errors import Forbidden, ItemError
from shardmill.contract.location.confinement import open_input
from shardmill.contract.location.roots import Roots
from shardmill.contract.schema import Facts
from shardmill_worker.engine.formats import HEAD_BYTES, read_picture
from shardmill_worker.engine.media import JPEG_STREAMS


class PictureProbe:
    """Reads the headers of the pictures among some rows.

    Args:
        rows: Columns of ``dataset.manifest_rows.ITEMS``.
        roots: The input directories.
    """

    def __init__(self, rows: pa.Table, roots: Roots) -> None:
        self._roots = roots
        self._base = None if roots.are_named else os.path.join(roots.paths[0], "")
        self._paths = _texts(rows["path"])
        self._sizes = rows["size_bytes"].to_pylist()
        self._mtimes_ns = rows["mtime_ns"].to_pylist()
        lie_apart = [None] * rows.num_rows
        self._is_file = [
            archive is None and pictures is None
            for archive, pictures in zip(
                *(
                    rows[name].to_pylist() if name in rows.column_names else lie_apart
                    for name in ("archive", "pictures")
                ),
                strict=True,
            )
        ]

    def facts_of(self, row: int) -> Facts | None:
        """Return what the header of a plain picture says; None for any other file.

        A file that cannot be opened, has changed or is damaged is another file too: whoever looks
        closer finds the reason.
        """
        path = self._paths[row]
        if not self._is_file[row] or path[:1] == "/" or ".." in path:
            return None
        base = self._base if self._base is not None else self._roots.base_of(path) + "/"
        try:
            descriptor = open_input(base + path)
        except (OSError, ValueError, Forbidden):
            return None
        size_bytes = self._sizes[row]
        try:
            head = os.pread(descriptor, HEAD_BYTES, 0)
            facts = read_picture(head, size_bytes, partial(os.pread, descriptor))
            status = os.fstat(descriptor)
        except (OSError, ItemError):
            return None
        finally:
            os.close(descriptor)
        if (
            status.st_size != size_bytes
            or status.st_mtime_ns != self._mtimes_ns[row]
            or not S_ISREG(status.st_mode)
            or path[-6:].lower().endswith(JPEG_STREAMS)
        ):
            return None
        return facts


def _texts(paths: pa.ChunkedArray) -> list[str]:
    """Return paths as text; undecodable bytes as surrogates."""
    try:
        texts: list[str] = paths.cast(pa.string()).to_pylist()
    except pa.ArrowInvalid:
        texts = [os.fsdecode(path) for path in paths.to_pylist()]
    return texts
