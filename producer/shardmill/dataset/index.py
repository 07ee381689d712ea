"""Where the bytes of every frame lie: what makes any shard format random-access.

One Arrow IPC file a shard, one row a clip or part of a clip, not compressed.  Whatever the
container, a frame is one run of bytes in the shard file.  The bytes of a clip's frames have a
checksum in its row; what is between them has one in the file's metadata (see ``checksum``); the
index itself is sealed (see ``checksum``).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import OPEN, SEAL, Framing, check_sealed, sealed
from shardmill.storage import files

SCHEMA: Final = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("clip_part", pa.int32(), nullable=False),
        pa.field("clip_parts", pa.int32(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("label_id", pa.int64()),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("label_ids", pa.list_(pa.int64()), nullable=False),
        pa.field("extra", pa.string()),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("encoding", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("crc32c", pa.uint32(), nullable=False),
        pa.field("record_offset", pa.int64(), nullable=False),
        pa.field("record_length", pa.int64(), nullable=False),
        pa.field("offset", pa.list_(pa.int64()), nullable=False),
        pa.field("length", pa.list_(pa.int32()), nullable=False),
        pa.field("pts_ns", pa.list_(pa.int64()), nullable=False),
        pa.field("source_index", pa.list_(pa.int32()), nullable=False),
        pa.field("keyframe", pa.list_(pa.bool_()), nullable=False),
    ]
)
_SHARD_BYTES: Final = "shard_bytes"
_FRAMING_CRC: Final = "framing_crc32c"
FRAME_COLUMNS: Final = ("offset", "length", "pts_ns", "source_index", "keyframe")
"""Those with one element a frame."""
CLIP_COLUMNS: Final = tuple(name for name in SCHEMA.names if name not in FRAME_COLUMNS)
"""Those with one cell a clip."""
REQUIRED: Final = tuple(field.name for field in SCHEMA if not field.nullable)
"""Those without empty cells."""


class FrameTable(Struct, frozen=True, kw_only=True):
    """The frames of a clip; every array has shape (T,)."""

    offset: NDArray[np.int64]
    """First byte of the encoded frame in the shard file."""
    length: NDArray[np.int32]
    """Size of the encoded frame, bytes."""
    pts_ns: NDArray[np.int64]
    """When the frame is shown, on the stream's own clock."""
    source_index: NDArray[np.int32]
    """Number of the frame in the source, counted in display order from 0."""
    keyframe: NDArray[np.bool_]
    """True where the source could start decoding."""

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the first byte and the end (exclusive) of each frame."""
        starts = self.offset.tolist()
        yield from zip(starts, (self.offset + self.length).tolist(), strict=True)


class ClipEntry(Struct, frozen=True, kw_only=True):
    """One clip of a shard, or one part of a clip that was cut for parallel work."""

    clip_id: str
    """Stable name: a hash of the path and the number of the clip in its file."""
    clip_part: int = 0
    """Number of the part, in the order of time, from 0."""
    clip_parts: int = 1
    """Number of parts that the clip was cut into; 1 for a clip that was not cut."""
    path: str
    """Source, as printed in the manifest."""
    label: str | None
    """Class name; the first if there are several."""
    label_id: int | None
    """Class number."""
    labels: Sequence[str] = ()
    """All class names."""
    label_ids: Sequence[int] = ()
    """Their numbers."""
    extra: str | None = None
    """What else its annotation says, a JSON object; None without annotation."""
    shard: str
    """File name below ``OUT/shards``."""
    encoding: str
    """``jpeg``, ``png`` or ``raw`` (uint8, height x width x 3, RGB)."""
    width: int
    """Width of every frame, pixels."""
    height: int
    """Height of every frame, pixels."""
    crc32c: int
    """CRC-32C of the encoded frames, one after the other."""
    record_offset: int
    """First byte of the clip's record in the shard file, framing included."""
    record_length: int
    """Size of the clip's record, framing included."""
    frames: FrameTable
    """Where each frame lies."""


def write_index(path: str, clips: Sequence[ClipEntry], framing: Framing) -> None:
    """Write the index of one shard to ``path`` and flush it to the disk."""
    columns = {name: [getattr(clip, name) for clip in clips] for name in CLIP_COLUMNS}
    lists = {name: [getattr(clip.frames, name) for clip in clips] for name in FRAME_COLUMNS}
    metadata = {_SHARD_BYTES: str(framing.shard_bytes), _FRAMING_CRC: str(framing.crc32c)}
    schema = SCHEMA.with_metadata(metadata)
    table = pa.Table.from_pydict(columns | lists, schema=schema)
    data = pa.BufferOutputStream()
    with pa.ipc.new_file(data, schema, metadata={SEAL: OPEN}) as writer:
        writer.write_table(table)
    files.write(path, sealed(data.getvalue().to_pybytes()))


def open_index(path: str) -> pa.Table:
    """Return the index of one shard as a memory-mapped table with ``SCHEMA``.

    Raises:
        DatasetDamaged: The file is missing or no index.
    """
    files.refuse_link(os.path.dirname(path))
    files.refuse_link(path)
    try:
        with pa.memory_map(path) as file:  # the batch keeps the map, not the file
            return _without_empty_cells(path, _batch_of(path, file))
    except OSError as error:
        raise DatasetDamaged(f"{path} is no index: {error}") from error


def check_index(path: str) -> pa.Table:
    """Read an index to its end, into memory, and return it with ``SCHEMA``.

    Raises:
        DatasetDamaged: It is missing, or is not what was written.
    """
    files.refuse_link(os.path.dirname(path))
    try:
        with os.fdopen(files.open_to_read(path), "rb") as file:
            data = file.read()
    except OSError as error:
        raise DatasetDamaged(f"{path} is no index: {error}") from error
    return _without_empty_cells(path, check_bytes(path, data))


def check_bytes(path: str, data: bytes) -> pa.RecordBatch:
    """Check the bytes of an index file, read from ``path``; return the rows that lie in them.

    Cells that must not be empty are not looked for.

    Raises:
        DatasetDamaged: They are not what was written.
    """
    check_sealed(path, data)
    batch = batch_in(path, data)
    framing_of(batch)
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        raise DatasetDamaged(f"{path} contradicts itself: {error}") from error
    return batch


def batch_in(path: str, data: bytes) -> pa.RecordBatch:
    """Return the rows that lie in the bytes of an index file, which were checked before.

    Arrow follows the offsets in them without a look: damaged ones would end the process.

    Raises:
        DatasetDamaged: They are no index.
    """
    return _batch_of(path, pa.BufferReader(data))


def _batch_of(path: str, source: pa.NativeFile) -> pa.RecordBatch:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    try:
        file = pa.ipc.open_file(source, options=options)
        if file.schema != SCHEMA:
            raise DatasetDamaged(f"{path} has other columns than this version's index")
        if file.num_record_batches > 1:
            raise DatasetDamaged(f"{path} has several record batches, this version's index has one")
        if not file.num_record_batches:
            return pa.RecordBatch.from_pylist([], schema=file.schema)
        return file.get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise DatasetDamaged(f"{path} is no index: {error}") from error


def _without_empty_cells(path: str, batch: pa.RecordBatch) -> pa.Table:
    """Return the table of an index that has no empty cell where there must be none."""
    if any(batch[name].null_count for name in REQUIRED):
        raise DatasetDamaged(f"{path} has empty cells where this version's index has none")
    return pa.Table.from_batches([batch])


def framing_of(table: pa.Table | pa.RecordBatch) -> Framing:
    """Return what an index says of its shard apart from the frames.

    Raises:
        DatasetDamaged: It says nothing.
    """
    metadata = table.schema.metadata or {}
    try:
        size, crc = (int(metadata[name.encode()]) for name in (_SHARD_BYTES, _FRAMING_CRC))
    except (KeyError, ValueError) as error:
        raise DatasetDamaged(
            f"expected an index with its shard's size and checksum, found {metadata}"
        ) from error
    return Framing(shard_bytes=size, crc32c=crc)


def record_index(records: Iterable[tuple[int, int]]) -> bytes:
    """Return the text by which NVIDIA DALI finds the records of a TFRecord shard.

    One line a record, its first byte and its size, as DALI's ``tfrecord2idx`` writes them.
    """
    return "".join(f"{offset} {length}\n" for offset, length in records).encode()


def entry_at(table: pa.Table, row: int) -> ClipEntry:
    """Return one row of an index as a value, which keeps nothing of the index in memory.

    Raises:
        DatasetDamaged: The row says different things of how many frames there are.
    """
    frames = {
        name: np.array(table[name][row].values.to_numpy(zero_copy_only=False))
        for name in FRAME_COLUMNS
    }
    values = {name: table[name][row].as_py() for name in CLIP_COLUMNS}
    values |= {name: tuple(values[name]) for name in ("labels", "label_ids")}
    if len({column.size for column in frames.values()}) > 1:
        raise DatasetDamaged(
            f"clip {values['clip_id']} of {values['shard']}: its lists in the index have "
            "different lengths"
        )
    return ClipEntry(**values, frames=FrameTable(**frames))
