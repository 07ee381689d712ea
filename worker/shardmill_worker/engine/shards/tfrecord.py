"""TFRecord: one ``tf.train.Example`` a clip, as TensorFlow reads and writes it.

The frames come last in the record.  Two serialized messages one after the other are one merged
message, so the frames' part is written by itself, and where each frame lies follows from the
end of the record by arithmetic.
"""

import os
import struct
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.shards.clip import CHANNELS, Clip, Placed
from shardmill_worker.engine.shards.example import Example
from shardmill_worker.engine.shards.output import OutputFile

MAX_RECORD_BYTES: Final = 2**31 - 1
"""Protocol Buffers can read no larger message."""

_LENGTH: Final = struct.Struct("<Q")
_CHECKSUM: Final = struct.Struct("<I")
_MASK_DELTA: Final = 0xA282EAD8


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
        if sum(sizes) > MAX_RECORD_BYTES:
            raise TooLarge(
                f"Expected frames of at most {MAX_RECORD_BYTES} bytes together, "
                f"got {sum(sizes)} bytes."
            )
        payload = _about(clip) + _frames(clip)
        if len(payload) > MAX_RECORD_BYTES:
            raise TooLarge(
                f"Expected a record of at most {MAX_RECORD_BYTES} bytes, got {len(payload)} bytes."
            )
        length = _LENGTH.pack(len(payload))
        start = self._file.append(length + _masked_crc(length))
        self._file.append(payload)
        end_of_frames = self._file.append(_masked_crc(payload))
        return Placed(
            record_offset=start,
            record_length=self._file.end - start,
            frame_offset=_offsets_before(end_of_frames, sizes),
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
    for name, number in (
        ("num_frames", len(clip.frames)),
        ("height", clip.height),
        ("width", clip.width),
        ("channels", CHANNELS),
    ):
        features[name].int64_list.value.append(number)
    features["pts_ns"].int64_list.value.extend(frame.pts_ns for frame in clip.frames)
    features["fps"].float_list.value.append(clip.fps)
    return bytes(example.SerializeToString(deterministic=True))


def _frames(clip: Clip) -> bytes:
    """Return the record's part with the frames and nothing after the last."""
    example = Example()
    frames = example.features.feature["frames"].bytes_list.value
    frames.extend(frame.data for frame in clip.frames)
    return bytes(example.SerializeToString(deterministic=True))


def _offsets_before(end: int, sizes: list[int]) -> NDArray[np.int64]:
    """Return where each frame begins, given where the last one ends.

    Each is preceded by one byte of tag and its size as a varint.
    """
    offsets = np.empty(len(sizes), dtype=np.int64)
    for index in range(len(sizes) - 1, -1, -1):
        offsets[index] = end - sizes[index]
        end = int(offsets[index]) - _varint_bytes(sizes[index]) - 1
    return offsets


def _varint_bytes(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def _masked_crc(data: bytes) -> bytes:
    """Return TFRecord's checksum: CRC-32C, turned by 15 bits, plus a constant."""
    crc = google_crc32c.value(data)
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
