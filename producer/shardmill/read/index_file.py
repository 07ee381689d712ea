"""The index of one shard: checked whole when it is opened, read by position afterwards.

In an Arrow file without compression each buffer of a column is one run of bytes.  Where the
buffers begin is all that is kept of an index.  So a window costs a few reads of a few bytes,
however many clips a shard has and frames a clip.  Nothing is mapped into memory: a file that is cut
short while it is in use gives an error, where access to a map would end the process.
"""

import os
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import Struct
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import read_range
from shardmill.dataset.index import (
    CLIP_COLUMNS,
    FRAME_COLUMNS,
    REQUIRED,
    SCHEMA,
    ClipEntry,
    FrameTable,
    batch_in,
    check_bytes,
    framing_of,
)
from shardmill.storage.files import open_to_read, refuse_link

Whole = NDArray[np.int64]
ADVICE: Final = "`shardmill verify` tells what to do"
_REMEMBERED: Final = 1 << 16
"""Files whose verdict a process keeps, about 0.5 KB each."""
_YOUNG_NS: Final = 2_000_000_000
"""A file may change twice within one tick of its file system's clock; FAT's takes two seconds."""
_SOUND: Final[dict[str, tuple[int, ...]]] = {}
"""Path of each file that passed the checks to what ``stat`` said of it then."""
_OFFSETS: Final = Struct("<ii")


def _count_buffers(kind: pa.DataType) -> int:
    """Return how many buffers Arrow lists for a column: validity, offsets, values, a child's."""
    if pa.types.is_list(kind):
        return 2 + _count_buffers(kind.value_type)
    return 3 if pa.types.is_string(kind) else 2


def _number_type(kind: pa.DataType) -> np.dtype[Any]:
    """Return the dtype of a column of numbers, or of lists of them."""
    dtype: np.dtype[Any] = np.dtype(
        (kind.value_type if pa.types.is_list(kind) else kind).to_pandas_dtype()
    )
    return dtype


_INDEX_BYTES: Final = 0
_SHARD_BYTES: Final = 1
_COUNTS: Final = [_count_buffers(kind) for kind in SCHEMA.types]
PLACES: Final = 2 + sum(_COUNTS)
"""Elements of an array of places: sizes of index and shard, then the first byte of each buffer."""
_FIRST: Final = dict(zip(SCHEMA.names, np.cumsum([2, *_COUNTS[:-1]]).tolist(), strict=True))
"""Which of them is the first buffer of each column."""
_VALUES: Final = {
    name: first + count - 1 for (name, first), count in zip(_FIRST.items(), _COUNTS, strict=True)
}
"""Which of them holds the values of each column."""
_TYPES: Final = {field.name: _number_type(field.type) for field in SCHEMA}


class IndexFile(NamedTuple):
    """The bytes of one index."""

    path: str
    shard: str
    """Name of the shard that it is of."""
    data: bytes
    state: tuple[int, ...]
    """Inode, size and times when it was read."""


def read_index_file(path: str, shard: str) -> IndexFile:
    """Read the index of a shard, without any check.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It cannot be read.
    """
    refuse_link(os.path.dirname(path))
    with os.fdopen(open_to_read(path), "rb") as file:
        status = os.fstat(file.fileno())
        data = file.read()
    state = (status.st_ino, len(data), status.st_mtime_ns, status.st_ctime_ns)
    return IndexFile(path, shard, data, state)


def open_index_files(files: Sequence[IndexFile]) -> tuple[pa.Table, Whole, Whole]:
    """Check some indexes, each once a process for each state of the file.

    Args:
        files: At least one.

    Returns:
        Their clips as one table, in memory; the number of clips of each, shape (S,); and where the
        buffers of each lie in its file, -1 for one that is not there, shape (S, PLACES).

    Raises:
        DatasetDamaged: One is not what was written, or not the index of its shard.
    """
    try:
        batches = [_batch_of(file) for file in files]
        counts = np.array([batch.num_rows for batch in batches])
        places = np.array([_places(*each) for each in zip(files, batches, strict=True)])
        clips = pa.Table.from_batches(batches, SCHEMA).combine_chunks()
        if any(_SOUND.get(file.path) != file.state for file in files):
            _check(files, clips, counts, places[:, _SHARD_BYTES])
    except DatasetDamaged as error:
        raise DatasetDamaged(f"{error}; {ADVICE}") from error
    for file in files:
        _remember(file)
    return clips, counts, places


def _batch_of(file: IndexFile) -> pa.RecordBatch:
    """Return the rows of an index; an index that is not known yet is checked against itself."""
    known = _SOUND.get(file.path) == file.state
    return (batch_in if known else check_bytes)(file.path, file.data)


def _check(files: Sequence[IndexFile], clips: pa.Table, counts: Whole, shard_bytes: Whole) -> None:
    """Refuse indexes by which frames cannot be read.

    Args:
        files: The indexes, S of them.
        clips: Their clips, N of them; each column in one piece.
        counts: Clips of each index.  Shape (S,).
        shard_bytes: Size of each index's shard.  Shape (S,).

    Raises:
        DatasetDamaged: One is of another shard, contradicts itself, or leaves the shard.
    """
    if not clips.num_rows:
        return
    columns = {name: clips[name].chunk(0) for name in SCHEMA.names}
    of_clip = np.repeat(np.arange(len(files)), counts)
    shards = pa.array([file.shard for file in files]).take(pa.array(of_clip))
    for at_fault, what in (
        *_faulty_cells(columns),
        (~_bools(pc.equal(columns["shard"], shards)), "holds clips of another shard"),
        *_faulty_lists(columns),
    ):
        if at_fault.any():
            raise DatasetDamaged(f"{files[of_clip[np.argmax(at_fault)]].path} {what}")
    lengths = np.asarray(pc.list_value_length(columns["offset"]))
    of_frame = np.repeat(of_clip, lengths)
    offset, length = (np.asarray(columns[name].flatten()) for name in ("offset", "length"))
    outside = (offset < 0) | (length < 0) | (offset > shard_bytes[of_frame] - length)
    if outside.any():
        frame = int(np.argmax(outside))
        start, count, file = int(offset[frame]), int(length[frame]), of_frame[frame]
        raise DatasetDamaged(
            f"{files[file].path} has a frame whose bytes [{start}, {start + count}) are not in a "
            f"shard of {shard_bytes[file]} bytes"
        )


def _faulty_cells(columns: dict[str, pa.Array]) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield which clips have a fault in a cell, and which fault."""
    for name in REQUIRED:
        if columns[name].null_count:
            yield _bools(columns[name].is_null()), "has empty cells"
    for name in ("width", "height"):
        yield np.asarray(columns[name]) < 1, "has clips whose frames have no pixels"
    part, parts = (np.asarray(columns[name]) for name in ("clip_part", "clip_parts"))
    yield (part < 0) | (part >= parts), "has parts of clips that have fewer parts"


def _faulty_lists(columns: dict[str, pa.Array]) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield which clips have a fault in a list, and which fault."""
    lengths = np.asarray(pc.list_value_length(columns["offset"]))
    for name in FRAME_COLUMNS:
        others = np.asarray(pc.list_value_length(columns[name]))
        yield others != lengths, "has clips whose lists have different lengths"
    for name in (*FRAME_COLUMNS, "labels", "label_ids"):
        values = columns[name].flatten()
        if values.null_count:
            at_fault = np.zeros(lengths.size, bool)
            parents = np.asarray(pc.list_parent_indices(columns[name]))
            at_fault[parents[_bools(values.is_null())]] = True
            yield at_fault, "has lists with empty elements"


def _bools(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), bool)


def _remember(file: IndexFile) -> None:
    *_, changed_ns = file.state
    if time.time_ns() - changed_ns < _YOUNG_NS:
        return
    if len(_SOUND) >= _REMEMBERED:
        _SOUND.clear()
    _SOUND[file.path] = file.state


def _places(file: IndexFile, batch: pa.RecordBatch) -> list[int]:
    """Return sizes of index and shard, and where each buffer begins in the index."""
    size, base = len(file.data), pa.py_buffer(file.data).address
    buffers = [buffer for column in batch.columns for buffer in column.buffers()]
    begins = [buffer.address - base if buffer and buffer.size else -1 for buffer in buffers]
    if batch.num_rows and not -1 <= min(begins) <= max(begins) <= size:
        raise DatasetDamaged(f"{file.path} is compressed, this version's index is not")
    return [size, framing_of(batch).shard_bytes, *begins]


class IndexRows:
    """Rows of an index that was checked, read from its file; open within a ``with`` block.

    Args:
        path: The index.
        places: What ``open_index_files`` returned for it.  Shape (PLACES,).

    Raises:
        FileNotFoundError: The file is gone.
        DatasetDamaged: It has another size than when it was checked.
    """

    def __init__(self, path: str, places: NDArray[np.int64]) -> None:
        self._path, self._places = path, places.tolist()
        refuse_link(os.path.dirname(path))
        self._fd = open_to_read(path)
        if os.fstat(self._fd).st_size != self._places[_INDEX_BYTES]:
            os.close(self._fd)
            raise self._changed("has another size")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    @property
    def shard_bytes(self) -> int:
        """Size of the shard."""
        size: int = self._places[_SHARD_BYTES]
        return size

    def entry(self, row: int, count: int) -> ClipEntry:
        """Return all that the index says of one clip, which has ``count`` frames.

        Raises:
            DatasetDamaged: The file changed since it was checked.
            OSError: It cannot be read.
        """
        values = {name: self._cell(name, row) for name in CLIP_COLUMNS}
        start, stop = self._frame_range(row, count)
        frames = {name: self.numbers(name, start, stop) for name in FRAME_COLUMNS}
        return ClipEntry(**values, frames=FrameTable(**frames))

    def frames(
        self, row: int, count: int, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Return ``offset``, ``length`` and ``pts_ns`` of some frames of one clip.

        Args:
            row: The clip.
            count: Frames that it has.
            numbers: Which of them, in any order.  Shape (T,).

        Returns:
            Three arrays of shape (T,).

        Raises:
            DatasetDamaged: The file changed since it was checked.
            OSError: It cannot be read.
        """
        first, _ = self._frame_range(row, count)
        if not numbers.size:
            return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64)
        least, most = int(numbers.min()), int(numbers.max())
        start, stop, rows = first + least, first + most + 1, numbers - least
        return (  # all between them is read too: 20 bytes a frame
            self.numbers("offset", start, stop)[rows],
            self.numbers("length", start, stop)[rows],
            self.numbers("pts_ns", start, stop)[rows],
        )

    def text(self, column: str, row: int) -> str:
        """Return one cell of a column of text."""
        offsets = _FIRST[column] + 1
        return self._text(self._read(offsets + 1, *self._bounds(offsets, row)))

    def column(self, column: str, rows: int) -> list[str]:
        """Return the first ``rows`` cells of a column of text."""
        return self._texts(_FIRST[column] + 1, 0, rows)

    def list_of_numbers(self, column: str, row: int) -> tuple[int, ...]:
        """Return one cell of a column of lists of numbers."""
        return tuple(self.numbers(column, *self._bounds(_FIRST[column] + 1, row)).tolist())

    def numbers(self, column: str, start: int, stop: int) -> NDArray[Any]:
        """Return some elements of a column of numbers, or of all its lists one after the other.

        Returns:
            Shape (stop - start,), in the column's type.
        """
        kind = _TYPES[column]
        if kind.kind == "b":  # Arrow packs eight into a byte, the first into its lowest bit
            data = self._read(_VALUES[column], start // 8, -(-stop // 8))
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            return bits[start % 8 :][: stop - start].astype(bool)
        size = kind.itemsize
        return np.frombuffer(self._read(_VALUES[column], start * size, stop * size), kind)

    def _cell(self, column: str, row: int) -> Any:
        kind, first = SCHEMA.field(column).type, _FIRST[column]
        if (
            self._places[first] >= 0
            and not self._read(first, row // 8, row // 8 + 1)[0] >> row % 8 & 1
        ):
            return None
        if pa.types.is_string(kind):
            return self.text(column, row)
        if not pa.types.is_list(kind):
            return int(self.numbers(column, row, row + 1)[0])
        if pa.types.is_string(kind.value_type):
            return tuple(self._texts(first + 3, *self._bounds(first + 1, row)))
        return self.list_of_numbers(column, row)

    def _frame_range(self, row: int, count: int) -> tuple[int, int]:
        """Return the first frame of a clip and their end, counted over all clips of the index."""
        start, stop = self._bounds(_FIRST["offset"] + 1, row)
        if stop - start != count:
            raise self._changed(f"had {count} frames of a clip and has {stop - start}")
        return start, stop

    def _texts(self, offsets: int, start: int, stop: int) -> list[str]:
        """Return some elements of text, given which buffer holds their offsets."""
        if start == stop:
            return []
        ends = np.frombuffer(self._read(offsets, 4 * start, 4 * stop + 4), "<i4").tolist()
        data = self._read(offsets + 1, ends[0], ends[-1])
        return [self._text(data[a - ends[0] : b - ends[0]]) for a, b in pairwise(ends)]

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._changed("has text that is no UTF-8") from error

    def _bounds(self, offsets: int, row: int) -> tuple[int, int]:
        start, stop = _OFFSETS.unpack(self._read(offsets, 4 * row, 4 * row + 8))
        return start, stop

    def _read(self, buffer: int, start: int, stop: int) -> bytes:
        """Return the bytes ``[start, stop)`` of one buffer."""
        if start == stop:
            return b""
        place = self._places[buffer]
        if place < 0 or not 0 <= start < stop <= self._places[_INDEX_BYTES] - place:
            raise self._changed("has offsets that leave it")
        return read_range(self._fd, place + start, place + stop)

    def _changed(self, what: str) -> DatasetDamaged:
        return DatasetDamaged(
            f"{self._path} changed since it was opened, it {what}: open the data set again; "
            f"{ADVICE}"
        )
