"""HDF5: one group a clip, as h5py and every other HDF5 library reads it.

A clip's frames are one contiguous dataset: HDF5's own variable-length cells cannot be located in
the file, and no index could point into them.  HDF5 lays the file out; the frames are written
where it has reserved room for them, each once, and never pass through its buffers.
"""

import os
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from shardmill.storage import files
from shardmill_worker.engine.shards.clip import CHANNELS, Clip, Placed

_FORMAT: Final = h5py.h5f.LIBVER_V18
"""The oldest form with checksums in its tables, the same from every HDF5 since 1.8 (2008)."""
_IN_ORDER: Final = h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED
_INLINE_ATTRIBUTES: Final = 16
"""As many are kept in an object's own header; a table of their own would double its size."""


class HDF5Writer:
    """Writes one HDF5 file."""

    def __init__(self, path: str) -> None:
        self._disk = _Disk(path)
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, self._disk)
        access.set_libver_bounds(_FORMAT, _FORMAT)
        creation = _timeless(h5py.h5p.FILE_CREATE)
        creation.set_link_creation_order(_IN_ORDER)
        name = os.fsencode(path)
        self._file = h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, creation, access))

    def add(self, clip: Clip) -> Placed:
        """Append a clip as one group.

        Raises:
            OSError: The file cannot be written.
        """
        creation = _timeless(h5py.h5p.GROUP_CREATE)
        creation.set_attr_phase_change(_INLINE_ATTRIBUTES, 0)
        group = h5py.Group(h5py.h5g.create(self._file.id, clip.record_name.encode(), gcpl=creation))
        group.attrs.create("filename", os.fsencode(clip.item.path), dtype=h5py.string_dtype())
        group.attrs.update(_about(clip))
        if clip.item.extra is not None:
            text = h5py.string_dtype()
            group.attrs.create("class_texts", list(clip.class_texts), dtype=text)
            group.attrs.create("class_labels", np.array(clip.class_labels, np.int64))
            group.attrs.create("extra", clip.item.extra, dtype=text)
        ends = np.cumsum([len(frame.data) for frame in clip.frames], dtype=np.int64)
        edges = np.concatenate([np.zeros(1, np.int64), ends])
        shape: tuple[int, ...] = (len(clip.frames), clip.height, clip.width, CHANNELS)
        if clip.encoding != "raw":
            shape = (int(ends[-1]),)
            _store(group, "offsets", edges)
        _store(group, "pts_ns", np.array([frame.pts_ns for frame in clip.frames], np.int64))
        start = _reserve(group, "frames", shape)
        for frame, edge in zip(clip.frames, edges[:-1].tolist(), strict=True):
            self._disk.put(start + edge, frame.data)
        self._disk.check()
        return Placed(
            record_offset=start,
            record_length=int(ends[-1]),
            frame_offset=start + edges[:-1],
        )

    def finish(self) -> None:
        """Flush everything to the disk and close the file.

        Raises:
            OSError: The file cannot be written.
        """
        self._file.close()
        self._disk.finish()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        self._file.close()
        self._disk.close()


class _Disk:
    """The file as HDF5 sees it: one whose writes never fail.

    HDF5 cannot let go of a file that it could not write, and takes the process down at its end.
    So it never hears of an error; ``check`` tells of it instead.
    """

    def __init__(self, path: str) -> None:
        self._fd = files.create(path)
        self._position = self._end = 0
        self._error: OSError | None = None

    def put(self, start: int, data: Any) -> None:
        """Write ``data``, anything with a buffer, at byte ``start``."""
        left = memoryview(data).cast("B")
        try:
            while left and self._error is None:
                written = os.pwrite(self._fd, left, start)
                start, left = start + written, left[written:]
        except OSError as error:
            self._error = error

    def check(self) -> None:
        """Raise the first error that there was.

        Raises:
            OSError: The file could not be written.
        """
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Flush everything to the disk and close the file.

        Raises:
            OSError: The file could not be written.
        """
        self.check()
        os.fsync(self._fd)
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # What h5py asks of a file.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._end if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int) -> int:
        try:
            os.truncate(self._fd, size)
        except OSError as error:
            self._error = self._error or error
        self._end = size
        return size

    def write(self, data: memoryview) -> int:
        size = memoryview(data).nbytes
        self.put(self._position, data)
        self._position += size
        self._end = max(self._end, self._position)
        return size

    def readinto(self, buffer: memoryview) -> int:
        room = memoryview(buffer).cast("B")
        read = os.preadv(self._fd, [room], self._position)
        self._position += read
        return read

    def flush(self) -> None:
        """Do nothing: every write goes to the system at once."""


def _timeless(kind: Any) -> Any:
    """Return the properties of an object that does not tell when it was made."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def _store(group: h5py.Group, name: str, values: NDArray[np.int64]) -> None:
    group.create_dataset(name, data=values, dtype="<i8", track_times=False)


def _reserve(group: h5py.Group, name: str, shape: tuple[int, ...]) -> int:
    """Make a dataset of bytes whose values are written by others; return where they begin."""
    creation = _timeless(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    dataset = h5py.h5d.create(group.id, name.encode(), h5py.h5t.STD_U8LE, space, creation)
    offset: int = dataset.get_offset()
    return offset


def _about(clip: Clip) -> dict[str, Any]:
    """Return what is known of a clip, under the names that a TFRecord's features have."""
    parts = {"part": np.int64(clip.part), "parts": np.int64(clip.parts)}
    return (parts if clip.parts > 1 else {}) | {
        "class_text": clip.class_texts[0],
        "class_label": np.int64(clip.class_labels[0]),
        "encoding": clip.encoding,
        "num_frames": np.int64(len(clip.frames)),
        "height": np.int64(clip.height),
        "width": np.int64(clip.width),
        "channels": np.int64(CHANNELS),
        "fps": np.float64(clip.fps),
    }
