"""Whether the bytes of a shard are those that its index tells of.

A shard is a TFRecord file: each record is the length of its data (uint64), the masked CRC-32C
of that length (uint32), the data, and the masked CRC-32C of the data (uint32), little-endian.
One record holds one clip, and records follow each other without a gap; so every byte of the
file is either compared with the index or under a checksum.
"""

import errno
import os
import struct
from collections.abc import Iterator
from typing import Final

import google_crc32c
import numpy as np
import pyarrow as pa
import simplejpeg

from shardmill.contract.index import ClipEntry, entry_at

_LENGTH: Final = struct.Struct("<Q")
_CRC: Final = struct.Struct("<I")
HEAD_BYTES: Final = _LENGTH.size + _CRC.size
FOOT_BYTES: Final = _CRC.size
_CHUNK_BYTES: Final = 1 << 22
_MASK_DELTA: Final = 0xA282EAD8
_PNG_START: Final = struct.Struct(">8s8xII")
"""Signature, frame of the first chunk, width, height."""
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def masked_crc(crc: int) -> int:
    """Return a CRC-32C as TFRecord stores it: turned right by 15 bits, plus a constant."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def faults(path: str, index: pa.Table, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with a shard, phrases that continue its name: "is missing".

    Args:
        path: The shard.
        index: Its index, one row a clip, each list as long as the others of its row.
        deep: Decode every frame too.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield "is missing"
        return
    except OSError as error:
        yield f"cannot be opened: {error}"
        return
    try:
        yield from _shard_faults(fd, index, deep=deep)
    except OSError as error:  # a bad disk must not hide what was found before
        yield f"cannot be read: {error}"
    finally:
        os.close(fd)


def _shard_faults(fd: int, index: pa.Table, *, deep: bool) -> Iterator[str]:
    size = os.fstat(fd).st_size
    position = 0
    for row in np.argsort(index["record_offset"].to_numpy(), kind="stable").tolist():
        clip = entry_at(index, row)
        end = clip.record_offset + clip.record_length
        if clip.record_offset != position:
            yield (
                f"should go on at byte {position} by the order of its records, "
                f"but its index has clip {clip.clip_id} at byte {clip.record_offset}"
            )
        if end > size:
            yield f"is cut short: clip {clip.clip_id} ends at byte {end}, the file at byte {size}"
            return
        if _lies_in_record(clip):
            yield from _clip_faults(fd, clip, deep=deep)
        else:
            yield f"cannot hold clip {clip.clip_id} as its index says: frames leave their record"
        position = end
    if position != size:
        yield f"ends at byte {size}, its last clip at byte {position}"


def _lies_in_record(clip: ClipEntry) -> bool:
    """Return True if the frames lie in their record, one after the other."""
    starts = clip.frames.offset
    ends = starts + clip.frames.length
    first = clip.record_offset + HEAD_BYTES
    last = clip.record_offset + clip.record_length - FOOT_BYTES
    edges = np.concatenate([[first], np.column_stack([starts, ends]).ravel(), [last]])
    return bool(np.all(np.diff(edges) >= 0))


def _clip_faults(fd: int, clip: ClipEntry, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with one record; every byte of it is read once."""
    place = f"at byte {clip.record_offset} (clip {clip.clip_id})"
    position = clip.record_offset + HEAD_BYTES
    end = clip.record_offset + clip.record_length - FOOT_BYTES
    head = _read(fd, HEAD_BYTES, clip.record_offset)
    (length,) = _LENGTH.unpack_from(head)
    if _CRC.unpack_from(head, _LENGTH.size) != (masked_crc(google_crc32c.value(head[:8])),):
        yield f"has a record length {place} that does not match its checksum"
    if length != end - position:
        yield f"has a record of {length} bytes {place}, its index says {end - position}"
    of_record = of_frames = 0
    for start, size in zip(clip.frames.offset.tolist(), clip.frames.length.tolist(), strict=True):
        of_record = _crc_of_range(fd, of_record, position, start)
        frame = _read(fd, size, start)
        of_record = google_crc32c.extend(of_record, frame)
        of_frames = google_crc32c.extend(of_frames, frame)
        if deep and (wrong := _frame_fault(frame, clip)):
            yield f"has a frame at byte {start} (clip {clip.clip_id}) that {wrong}"
        position = start + size
    of_record = _crc_of_range(fd, of_record, position, end)
    if _CRC.unpack(_read(fd, FOOT_BYTES, end)) != (masked_crc(of_record),):
        yield f"has a record {place} that does not match its checksum"
    if of_frames != clip.crc32c:
        yield f"has frames {place} that do not match the checksum in its index"


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


def _crc_of_range(fd: int, crc: int, start: int, stop: int) -> int:
    """Return ``crc`` extended by the bytes ``[start, stop)`` of a file."""
    for position in range(start, stop, _CHUNK_BYTES):
        chunk = _read(fd, min(_CHUNK_BYTES, stop - position), position)
        crc = google_crc32c.extend(crc, chunk)
    return crc


def _read(fd: int, size: int, start: int) -> bytes:
    data = os.pread(fd, size, start)
    if len(data) < size:
        raise OSError(errno.EIO, f"got {len(data)} of {size} bytes at byte {start}")
    return data
