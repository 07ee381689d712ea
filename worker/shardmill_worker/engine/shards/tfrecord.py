"""TFRecord: one ``tf.train.Example`` a clip, as TensorFlow reads and writes it.

The frames come last in the record.  Two serialized messages one after the other are one merged
message, so the frames' part is written by itself, and where each frame lies follows from the
end of the record by arithmetic.
"""

import os
import struct
from contextlib import suppress
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from shardmill.contract.errors import TooLarge
from shardmill_worker.engine.shards.clip import Clip, Placed
from shardmill_worker.engine.shards.example import Example

MAX_RECORD_BYTES: Final = 2**31 - 1
"""Protocol Buffers can read no larger message."""
CHANNELS: Final = 3
UNLABELLED: Final = -1

_LENGTH: Final = struct.Struct("<Q")
_CHECKSUM: Final = struct.Struct("<I")
_MASK_DELTA: Final = 0xA282EAD8
_HEADER_BYTES: Final = _LENGTH.size + _CHECKSUM.size


class TFRecordWriter:
    """Writes one TFRecord file."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  closed by finish or abandon
        self._end = 0

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
        start = self._end
        length = _LENGTH.pack(len(payload))
        self._file.write(length + _masked_crc(length))
        self._file.write(payload)
        self._file.write(_masked_crc(payload))
        self._end += _HEADER_BYTES + len(payload) + _CHECKSUM.size
        return Placed(
            record_offset=start,
            record_length=self._end - start,
            frame_offset=_offsets_before(start + _HEADER_BYTES + len(payload), sizes),
        )

    def finish(self) -> None:
        """Flush everything to the disk and close the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        with suppress(OSError):  # what is still to be written no longer matters
            self._file.close()


def _about(clip: Clip) -> bytes:
    """Return the record's part with everything but the frames."""
    example = Example()
    features = example.features.feature
    for name, text in (
        ("class_text", (clip.item.label or "").encode("utf-8", "surrogateescape")),
        ("filename", os.fsencode(clip.item.path)),
        ("encoding", clip.encoding.encode()),
    ):
        features[name].bytes_list.value.append(text)
    label_id = UNLABELLED if clip.item.label_id is None else clip.item.label_id
    for name, number in (
        ("num_frames", len(clip.frames)),
        ("height", clip.height),
        ("width", clip.width),
        ("channels", CHANNELS),
        ("class_label", label_id),
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
