"""Whether the bytes of a shard are those that its index tells of, whatever the format.

Every byte of the file is under a checksum in the index: those of a clip's frames under the
clip's, all others together under another.  Neither the format's own checksums nor its library are
needed, so HDF5 is proved without HDF5.  Only where records may lie differs between formats.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

import google_crc32c
import numpy as np
import pyarrow as pa
import simplejpeg

from shardmill.contract.errors import DatasetDamaged
from shardmill.dataset.checksum import Framing, read_range
from shardmill.dataset.index import ClipEntry, entry_at, framing_of
from shardmill.dataset.layout import SUFFIXES
from shardmill.storage.files import open_to_read, refuse_link

_PNG_START: Final = Struct(">8s8xII")
"""Signature, frame of the first chunk, width, height."""
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the records of a format lie in its file."""

    before: int = 0
    """Bytes before the first record."""
    after: int = 0
    """Bytes after the last record."""
    tiled: bool = True
    """True if a record begins where the one before it ends."""
    bare: bool = False
    """True if a record is its frames and nothing else."""


_PLACES: Final = {
    SUFFIXES["tfrecord"]: _Places(),
    SUFFIXES["webdataset"]: _Places(after=1024),
    SUFFIXES["npy"]: _Places(before=128, bare=True),
    SUFFIXES["hdf5"]: _Places(tiled=False, bare=True),
}


def faults(path: str, index: pa.Table, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with a shard, phrases that continue its name: "is missing".

    Args:
        path: The shard.
        index: Its index, one row a clip, each list as long as the others of its row, with the
            shard's framing.
        deep: Decode every frame too.
    """
    try:
        refuse_link(os.path.dirname(path))
        fd = open_to_read(path)
    except FileNotFoundError:
        yield "is missing"
        return
    except (OSError, DatasetDamaged) as error:
        yield f"cannot be opened: {error}"
        return
    try:
        yield from _shard_faults(fd, path, index, deep=deep)
    except OSError as error:  # a bad disk must not hide what was found before
        yield f"cannot be read: {error}"
    finally:
        os.close(fd)


def _shard_faults(fd: int, path: str, index: pa.Table, *, deep: bool) -> Iterator[str]:
    status, framing = os.fstat(fd), framing_of(index)
    in_order = np.argsort(index["record_offset"].to_numpy(), kind="stable").tolist()
    places = _PLACES[os.path.splitext(path)[1]]
    misplaced = False
    for wrong in _misplaced(index, in_order, places=places, size=status.st_size):
        misplaced = True
        yield wrong
    if misplaced:
        return  # what the index points at is not worth reading
    for row in in_order:
        yield from _clip_faults(fd, entry_at(index, row), deep=deep)
    if status.st_size != framing.shard_bytes:
        yield f"has {status.st_size} bytes, its index says {framing.shard_bytes}"
        return
    spans = (span for row in in_order for span in entry_at(index, row).frames.spans())
    if Framing.measure(fd, spans) != framing:
        yield "has bytes outside of its frames that do not match the checksum in its index"


def _misplaced(
    index: pa.Table, in_order: list[int], *, places: _Places, size: int
) -> Iterator[str]:
    """Yield where the index contradicts itself, the format, or the size of the file."""
    position = places.before
    for row in in_order:
        clip = entry_at(index, row)
        end = clip.record_offset + clip.record_length
        if clip.record_offset < position or (places.tiled and clip.record_offset != position):
            yield (
                f"should go on at byte {position} by the order of its records, "
                f"but its index has clip {clip.clip_id} at byte {clip.record_offset}"
            )
        if end > size:
            yield f"is cut short: clip {clip.clip_id} ends at byte {end}, the file at byte {size}"
            return
        if not _lies_in_record(clip, bare=places.bare):
            yield f"cannot hold clip {clip.clip_id} as its index says: frames leave their record"
        position = end
    if places.tiled and position + places.after != size:
        yield f"ends at byte {size}, its last clip at byte {position}"


def _lies_in_record(clip: ClipEntry, *, bare: bool) -> bool:
    """Return True if the frames lie in their record, one after the other, or even fill it."""
    starts, lengths = clip.frames.offset, clip.frames.length
    stops = np.concatenate([[clip.record_offset], starts + lengths])
    gaps = np.append(starts, clip.record_offset + clip.record_length) - stops
    return bool(lengths.min(initial=0) >= 0 and np.all(gaps == 0 if bare else gaps >= 0))


def _clip_faults(fd: int, clip: ClipEntry, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with the frames of one clip."""
    crc = 0
    for start, stop in clip.frames.spans():
        frame = read_range(fd, start, stop)
        crc = google_crc32c.extend(crc, frame)
        if deep and (wrong := _frame_fault(frame, clip)):
            yield f"has a frame at byte {start} (clip {clip.clip_id}) that {wrong}"
    if crc != clip.crc32c:
        yield (
            f"has frames at byte {clip.record_offset} (clip {clip.clip_id}) "
            "that do not match the checksum in its index"
        )


def _frame_fault(frame: bytes, clip: ClipEntry) -> str | None:
    """Return what is wrong with one encoded frame; None if it gives a picture of its clip's size.

    JPEG frames are decoded; a PNG is judged by its header, its bytes being under a checksum.
    """
    expected = (clip.width, clip.height)
    if clip.encoding == "raw":
        size = clip.width * clip.height * 3
        return None if len(frame) == size else f"has {len(frame)} bytes, expected {size}"
    try:
        found = _png_size(frame) if clip.encoding == "png" else _jpeg_size(frame)
        if found == expected and clip.encoding == "jpeg":
            simplejpeg.decode_jpeg(frame)
    except ValueError as error:
        return f"is no sound {clip.encoding}: {error}"
    return None if found == expected else "is {}x{}, not {}x{}".format(*found, *expected)


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    height, width, *_ = simplejpeg.decode_jpeg_header(frame)
    return width, height


def _png_size(frame: bytes) -> tuple[int, int]:
    if len(frame) < _PNG_START.size or not frame.startswith(_PNG_SIGNATURE):
        raise ValueError("it does not begin like one")
    _, width, height = _PNG_START.unpack_from(frame)
    return width, height
