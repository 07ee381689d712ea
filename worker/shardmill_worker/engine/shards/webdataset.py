"""WebDataset: a tar file with one sample a clip, as the ``webdataset`` library reads it.

A sample is a run of members whose names begin with the same key, up to the first dot: here
``<clip>.json``, ``<clip>.cls`` and ``<clip>.000000.jpg``, ``<clip>.000001.jpg`` and so on, one a
frame.  The frames come last and follow each other, so that a window of them is one short run of
bytes; each is a picture of its own that decoders know by its suffix.  Raw frames are ``.npy``
arrays: their values, without the header, are what the index points at.
"""

import json
import tarfile
from typing import Final

import numpy as np

from shardmill.contract.quantity import printable
from shardmill_worker.engine.shards.clip import CHANNELS, Clip, Placed
from shardmill_worker.engine.shards.npy import array_header
from shardmill_worker.engine.shards.output import OutputFile

END_BYTES: Final = 2 * tarfile.BLOCKSIZE
"""Zeroes after the last member: the end of an archive."""
_SUFFIXES: Final = {"jpeg": "jpg", "png": "png", "raw": "npy"}
_LEAST_DIGITS: Final = 6


class WebDatasetWriter:
    """Writes one tar file."""

    def __init__(self, path: str) -> None:
        self._file = OutputFile(path)

    def add(self, clip: Clip) -> Placed:
        """Append a clip as one sample.

        Raises:
            OSError: The file cannot be written.
        """
        start = self._file.end
        self._member(f"{clip.record_name}.json", _about(clip))
        self._member(f"{clip.record_name}.cls", str(clip.class_labels[0]).encode())
        head, suffix = b"", _SUFFIXES[clip.encoding]
        if clip.encoding == "raw":
            head = array_header((clip.height, clip.width, CHANNELS))
        digits = max(_LEAST_DIGITS, len(str(len(clip.frames) - 1)))
        offsets = [
            self._member(f"{clip.record_name}.{number:0{digits}d}.{suffix}", frame.data, head=head)
            for number, frame in enumerate(clip.frames)
        ]
        return Placed(
            record_offset=start,
            record_length=self._file.end - start,
            frame_offset=np.array(offsets, np.int64),
        )

    def _member(self, name: str, data: bytes, *, head: bytes = b"") -> int:
        """Append one file of the archive, ``head`` and ``data``; return where ``data`` begins."""
        about = tarfile.TarInfo(name)  # no time, no owner: equal clips give equal bytes
        about.size = len(head) + len(data)
        self._file.append(about.tobuf(tarfile.USTAR_FORMAT) + head)
        offset = self._file.append(data)
        self._file.append(bytes(-about.size % tarfile.BLOCKSIZE))
        return offset

    def finish(self) -> None:
        """Mark the end, flush everything to the disk and close the file."""
        self._file.append(bytes(END_BYTES))
        self._file.finish()

    def abandon(self) -> None:
        """Close the file, whatever its state."""
        self._file.abandon()


def _about(clip: Clip) -> bytes:
    """Return what is known of a clip, under the names that a TFRecord's features have."""
    about = {
        "filename": printable(clip.item.path),
        "class_text": clip.class_texts[0],
        "class_label": clip.class_labels[0],
        "encoding": clip.encoding,
        "num_frames": len(clip.frames),
        "height": clip.height,
        "width": clip.width,
        "channels": CHANNELS,
        "fps": clip.fps,
        "pts_ns": [frame.pts_ns for frame in clip.frames],
    }
    if clip.parts > 1:
        about |= {"part": clip.part, "parts": clip.parts}
    if clip.item.extra is not None:
        about |= {"class_texts": clip.class_texts, "class_labels": clip.class_labels}
        about["extra"] = json.loads(clip.item.extra)
    return json.dumps(about, separators=(",", ":")).encode()
