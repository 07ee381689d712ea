"""TFRecord: one ``tf.train.Example`` a clip, as TensorFlow reads and writes it.

The frames come last in the record.  Two serialized messages one after the other are one merged
message, so the frames' part is written by itself: piece by piece, since a message of Protocol
Buffers would hold every frame three times in memory.  Its form is
https://protobuf.dev/programming-guides/encoding.
"""

import os
import struct
from typing import Final

import google_crc32c
import numpy as np

from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.shards.clip import CHANNELS, Clip, Placed
from shardmill_worker.engine.shards.example import Example
from shardmill_worker.engine.shards.output import OutputFile

MAX_RECORD_BYTES: Final = 2**31 - 1
"""Protocol Buffers can read no larger message."""

_LENGTH: Final = struct.Struct("<Q")
_CHECKSUM: Final = struct.Struct("<I")
_MASK_DELTA: Final = 0xA282EAD8
_VALUE: Final = 0x0A
"""Field 1, a message or bytes: the only one of its kind in each message around the frames."""
_MAP_VALUE: Final = 0x12
"""Field 2: the value in an entry of a map."""
_NAME: Final = b"\x0a\x06frames"
"""Field 1: the key."""


class TFRecordWriter:
    """Writes one TFRecord file."""

    def __init__(self, path: str) -> None:
        self._file = OutputFile(path)

    def add(self, clip: Clip) -> Placed:
        """Append a clip as one record.

        Raises:
            TooLarge: The record would be larger than Protocol Buffers can read.
            OSError: The file cannot be written.
        """
        sizes = [len(frame.data) for frame in clip.frames]
        tags = [_tag(_VALUE, size) for size in sizes]
        frames_bytes = sum(sizes) + sum(map(len, tags))
        head = _about(clip) + _head_of_frames(frames_bytes)
        record_bytes = len(head) + frames_bytes
        if record_bytes > MAX_RECORD_BYTES:
            raise TooLarge(
                f"Expected a record of at most {MAX_RECORD_BYTES} bytes, got {record_bytes} bytes."
            )
        length = _LENGTH.pack(record_bytes)
        start = self._file.append(length + _masked(google_crc32c.value(length)))
        offsets = []
        self._file.append(head)
        crc = google_crc32c.value(head)
        for tag, frame in zip(tags, clip.frames, strict=True):
            piece = tag + frame.data
            offsets.append(self._file.append(piece) + len(tag))
            crc = google_crc32c.extend(crc, piece)
        self._file.append(_masked(crc))
        return Placed(
            record_offset=start,
            record_length=self._file.end - start,
            frame_offset=np.array(offsets, np.int64),
        )

    def finish(self) -> None:
        """Flush everything to the disk and close the file."""
        self._file.finish()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        self._file.abandon()


def _about(clip: Clip) -> bytes:
    """Return the record's part with everything but the frames."""
    example = Example()
    features = example.features.feature
    features["class_text"].bytes_list.value.extend(map(os.fsencode, clip.class_texts))
    features["class_label"].int64_list.value.extend(clip.class_labels)
    if clip.item.extra is not None:
        features["extra"].bytes_list.value.append(clip.item.extra.encode())
    for name, text in (
        ("filename", os.fsencode(clip.item.path)),
        ("encoding", clip.encoding.encode()),
    ):
        features[name].bytes_list.value.append(text)
    parts = (("part", clip.part), ("parts", clip.parts)) if clip.parts > 1 else ()
    for name, number in (
        *parts,
        ("num_frames", len(clip.frames)),
        ("height", clip.height),
        ("width", clip.width),
        ("channels", CHANNELS),
    ):
        features[name].int64_list.value.append(number)
    features["pts_ns"].int64_list.value.extend(frame.pts_ns for frame in clip.frames)
    features["fps"].float_list.value.append(clip.fps)
    return bytes(example.SerializeToString(deterministic=True))


def _head_of_frames(frames_bytes: int) -> bytes:
    """Return what stands before the frames of the feature ``frames``, each with its tag.

    From within: a ``BytesList`` is the value of a ``Feature``, which with its name is an entry of
    the map in ``Features``, the only field of an ``Example``.
    """
    head = b""
    for before, field in ((b"", _VALUE), (_NAME, _MAP_VALUE), (b"", _VALUE), (b"", _VALUE)):
        head = before + _tag(field, len(head) + frames_bytes) + head
    return head


def _tag(field: int, length: int) -> bytes:
    """Return the beginning of a field that is ``length`` bytes."""
    varint = bytearray([field])
    while length > 0x7F:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    return bytes(varint)


def _masked(crc: int) -> bytes:
    """Return TFRecord's form of a CRC-32C: turned by 15 bits, plus a constant."""
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
